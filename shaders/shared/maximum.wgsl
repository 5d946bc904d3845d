// A maximum's rule: the first of equals stays, and a NaN wins over every number.
#import finite

fn takes_over(value: f32, best: f32) -> bool {
    return !is_nan(best) && (value > best || is_nan(value));
}
