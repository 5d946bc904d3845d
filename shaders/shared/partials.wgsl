// The sum of the first `chunks` partial sums at a place of the arena, in order.
//
// workspace  partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS, each laid out as the arena is

#import workspace

fn sum_of_partials(at: u32, chunks: u32) -> f32 {
    var sum = 0.0;
    for (var chunk = 0u; chunk < chunks; chunk++) {
        sum += workspace[PARTIALS + chunk * PARTIAL_LEN + at];
    }
    return sum;
}
