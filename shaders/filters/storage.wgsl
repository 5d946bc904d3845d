// A value of a convolution's weight or bias by its place in the parameter arena, read as other values are.
#import parameters

fn filter_value(at: u32) -> f32 {
    return parameters[at];
}
