// y = tanh x = (1 - exp(-2x))/(1 + exp(-2x)) for x >= 0, and its mirror image for x < 0. WGSL allows its
// `tanh` an error of 1e-5, and on some drivers it returns NaN because its exponentials overflow. These
// exponentials do not.

#import shared/finite

fn activate(x: f32) -> f32 {
    let e = exp_or_nan(-2.0 * abs(x));
    let y = (1.0 - e) / (1.0 + e);
    return select(y, -y, x < 0.0);
}

// dL/dx from dL/dy at y = activate(x).
fn activate_backward(y: f32, dy: f32) -> f32 {
    return dy * (1.0 - y * y);
}
