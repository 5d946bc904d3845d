// The 2-norm of each tensor's gradient; written only if gradients are clipped by norm.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_NORMS) var<storage, read_write> norms: array<f32>;
