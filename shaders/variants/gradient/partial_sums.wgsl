// The gradient of the parameter at an offset of the arena: below PARTIAL_LEN the sum of the partial sums,
// which is also stored in the arena; above, the value in the arena. PARTIAL_LEN is 0 if an earlier kernel has
// already added them up.

#import shared/gradients
#import shared/sum_of_partials

fn whole_gradient(offset: u32) -> f32 {
    if offset >= PARTIAL_LEN {
        return gradients[arena_start + offset];
    }
    let gradient = sum_of_partials(offset);
    gradients[arena_start + offset] = gradient;
    return gradient;
}
