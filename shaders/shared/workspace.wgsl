// Activations, argmax indices and gradients of activations. The offset of each tensor is a constant of the
// kernels that use it.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_WORKSPACE) var<storage, read_write> workspace: array<f32>;
