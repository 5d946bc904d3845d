// A value of a convolution's weight or bias by its place in the parameter arena, whose beginning is bound as a
// uniform: convolutions stand there, and what neighbours read at once is one value or few, for which constant
// memory is made. Software adapters too read a uniform several times as fast as storage.
@group(0) @binding(15) var<uniform> filters: array<vec4<f32>, FILTER_QUADS>;

fn filter_value(at: u32) -> f32 {
    return filters[at / 4u][at % 4u];
}
