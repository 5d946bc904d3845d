// y = max(x, 0), and NaN if x is NaN. `max` may drop a NaN, and so may a comparison under fast-math, so the
// bits decide: negative numbers are 0x80000000 (-0) to 0xff800000 (-infinity), and larger bit patterns are
// NaN.
fn activate(x: f32) -> f32 {
    let negative = bitcast<u32>(x) - 0x80000000u <= 0x7f800000u;
    return select(x, 0.0, negative);
}

// dL/dx from dL/dy at y = activate(x): 0 if y is 0, else dy, also if y is NaN.
fn activate_backward(y: f32, dy: f32) -> f32 {
    return select(dy, 0.0, bitcast<u32>(y) == 0u);
}
