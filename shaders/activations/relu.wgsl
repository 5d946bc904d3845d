// y = max(x, 0), and NaN where x is NaN. `max` would drop a NaN, and so could a comparison under
// fast-math, so the decision is made on the bits: what is negative and no NaN lies between
// 0x80000000 (-0) and 0xff800000 (-infinity).
fn activate(x: f32) -> f32 {
    let negative = bitcast<u32>(x) - 0x80000000u <= 0x7f800000u;
    return select(x, 0.0, negative);
}

// dL/dx from dL/dy at y = activate(x): nothing where y is 0, all elsewhere, where y is NaN too.
fn activate_backward(y: f32, dy: f32) -> f32 {
    return select(dy, 0.0, bitcast<u32>(y) == 0u);
}
