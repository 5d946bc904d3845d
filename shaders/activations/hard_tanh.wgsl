// y = x cut off at -1 and 1, and NaN where x is NaN, which `clamp` would drop.

#import finite

fn activate(x: f32) -> f32 {
    return select(clamp(x, -1.0, 1.0), x, is_nan(x));
}

// dL/dx from dL/dy at y = activate(x): nothing where y is -1 or 1, all between, and where y is NaN too.
fn activate_backward(y: f32, dy: f32) -> f32 {
    let cut_off = (bitcast<u32>(y) & 0x7fffffffu) == 0x3f800000u;
    return select(dy, 0.0, cut_off);
}
