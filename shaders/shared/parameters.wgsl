// The parameter arena. The offsets of a layer's tensors are constants of its kernels.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_PARAMETERS) var<storage, read> parameters: array<f32>;
