// y = 1/(1 + exp(-x)), computed as exp(x)/(1 + exp(x)) for x < 0, so that no exponential overflows.

#import shared/finite

fn activate(x: f32) -> f32 {
    let e = exp_or_nan(-abs(x));
    return select(1.0, e, x < 0.0) / (1.0 + e);
}

// dL/dx from dL/dy at y = activate(x).
fn activate_backward(y: f32, dy: f32) -> f32 {
    return dy * y * (1.0 - y);
}
