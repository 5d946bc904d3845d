// y = -1, 0 or 1, and NaN if x is NaN; WGSL leaves `sign` of NaN undefined.

#import shared/finite

fn activate(x: f32) -> f32 {
    return select(sign(x), x, is_nan(x));
}

// dL/dx from dL/dy at y = activate(x): 0, or NaN if y is NaN.
fn activate_backward(y: f32, dy: f32) -> f32 {
    return select(0.0, y, is_nan(y));
}
