// The parameter arena four values at a time, for layers whose weights begin at a multiple of 4 and have rows
// of a multiple of 4 values: a quarter of the load instructions.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_PARAMETERS) var<storage, read> parameters: array<vec4<f32>>;

// The parameter at an offset of the arena.
fn parameter(offset: u32) -> f32 {
    return parameters[(arena_start + offset) / 4u][offset % 4u];
}

// Four values of a row of `length` values from the i-th on, in one load; 0 past the end.
fn parameter_vec4(row: u32, i: u32, length: u32) -> vec4<f32> {
    return select(vec4(0.0), parameters[(arena_start + row + min(i, length - 4u)) / 4u], i < length);
}
