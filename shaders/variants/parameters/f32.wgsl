// The parameter arena as single values.
#import shared/parameters

// The parameter at an offset of the arena.
fn parameter(offset: u32) -> f32 {
    return parameters[arena_start + offset];
}

// Four values of a row of `length` values from the i-th on, loaded one by one; 0 past the end.
fn parameter_vec4(row: u32, i: u32, length: u32) -> vec4<f32> {
    var values: vec4<f32>;
    for (var n = 0u; n < 4u; n++) {
        values[n] = select(0.0, parameters[arena_start + row + min(i + n, length - 1u)], i + n < length);
    }
    return values;
}
