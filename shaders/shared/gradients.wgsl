// The gradient arena, in the layout of the trained parameters.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_GRADIENTS) var<storage, read_write> gradients: array<f32>;
