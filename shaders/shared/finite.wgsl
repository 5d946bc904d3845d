// Infinity and NaN. WGSL lets implementations assume that there are none, so comparisons such as `x != x` may be
// optimised away, and built-in functions may turn a NaN into a number: exp(NaN) is infinite on SwiftShader.
// Tests of the bits, and the operators + - * /, have been dependable on every driver so far.

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// exp(x), and NaN if x is NaN.
fn exp_or_nan(x: f32) -> f32 {
    return select(exp(x), x, is_nan(x));
}
