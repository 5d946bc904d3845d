// The gradient of the parameter at a place of the arena. Below PARTIAL_LEN it is the sum of CHUNKS partial
// sums, in order, which is put into the arena with the others; PARTIAL_LEN is 0 where an earlier kernel
// has done that.
//
// workspace  partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS

#import gradients
#import workspace

fn whole_gradient(at: u32) -> f32 {
    if at >= PARTIAL_LEN {
        return gradients[at];
    }
    var gradient = 0.0;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        gradient += workspace[PARTIALS + chunk * PARTIAL_LEN + at];
    }
    gradients[at] = gradient;
    return gradient;
}
