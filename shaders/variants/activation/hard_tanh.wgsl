// y = max(-1, min(1, x)), and NaN if x is NaN, which `clamp` may drop.

#import shared/finite

fn activate(x: f32) -> f32 {
    return select(clamp(x, -1.0, 1.0), x, is_nan(x));
}

// dL/dx from dL/dy at y = activate(x): 0 if y is -1 or 1, else dy, also if y is NaN.
fn activate_backward(y: f32, dy: f32) -> f32 {
    let saturated = (bitcast<u32>(y) & 0x7fffffffu) == 0x3f800000u;
    return select(dy, 0.0, saturated);
}
