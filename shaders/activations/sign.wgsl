// y = -1, 0 or 1, and NaN where x is NaN, of which `sign` is free to make anything.

#import finite

fn activate(x: f32) -> f32 {
    return select(sign(x), x, is_nan(x));
}

// dL/dx from dL/dy at y = activate(x): 0, but NaN where y is NaN.
fn activate_backward(y: f32, dy: f32) -> f32 {
    return select(0.0, y, is_nan(y));
}
