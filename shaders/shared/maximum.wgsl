// The rule of max-pooling: the first of equal values is the maximum, and a NaN is larger than every number.
#import shared/finite

fn is_new_maximum(value: f32, maximum: f32) -> bool {
    return !is_nan(maximum) && (value > maximum || is_nan(value));
}
