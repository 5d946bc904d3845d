// The beginning of the parameter arena as a uniform buffer. The convolutions come first in the arena, and
// neighbouring invocations read the same few of their weights, which is the access that constant memory is
// made for. Software adapters also read a uniform buffer several times as fast as a storage buffer. For a network
// alone: the members of a population would need one each.
#import shared/bindings

@group(0) @binding(BINDING_PARAMETERS) var<uniform> parameters: array<vec4<f32>, PARAMETER_VEC4S>;

// The parameter at an offset of the arena.
fn parameter(offset: u32) -> f32 {
    return parameters[offset / 4u][offset % 4u];
}
