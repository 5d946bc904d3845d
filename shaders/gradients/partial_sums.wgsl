// The gradient of the parameter at a place of the arena. Below PARTIAL_LEN it is a sum of partial sums (see
// shared/partials.wgsl), which is put into the arena with the others; PARTIAL_LEN is 0 where an earlier kernel
// has done that.

#import gradients
#import partials

fn whole_gradient(at: u32) -> f32 {
    if at >= PARTIAL_LEN {
        return gradients[at];
    }
    let gradient = sum_of_partials(at);
    gradients[at] = gradient;
    return gradient;
}
