// The sum of the first `chunks` partial sums at a place of the arena, in order.
//
// workspace  partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS, each laid out as the arena is

#import ahead
#import workspace

fn sum_of_partials(at: u32, chunks: u32) -> f32 {
    var sum = 0.0;
    for (var first = 0u; first < chunks; first += AHEAD) {
        var partial: array<f32, AHEAD>;
        for (var n = 0u; n < AHEAD; n++) {
            partial[n] = workspace[PARTIALS + min(first + n, chunks - 1u) * PARTIAL_LEN + at];
        }
        for (var n = 0u; n < AHEAD; n++) {
            if first + n < chunks {
                sum += partial[n];
            }
        }
    }
    return sum;
}
