// Infinity and NaN. WGSL lets implementations assume that there are none: they may optimise comparisons such as
// `x != x` away, and built-in functions may turn a NaN into a number (on SwiftShader exp(NaN) is infinite and
// log(NaN) is 89). Tests of the bits, and + - * / and sqrt, have kept a NaN on every driver so far.

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

// ln x, and NaN if x is NaN.
fn log_or_nan(x: f32) -> f32 {
    return select(log(x), x, is_nan(x));
}
