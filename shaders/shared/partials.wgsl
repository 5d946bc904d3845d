// The sum of the partial sums at a place of the arena, in order: of as many as chunks that have images. So many are
// asked for at a time as SUM_AHEAD says: they come from far away, and each would be waited for otherwise.
//
// workspace  partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS, each laid out as the arena is

#import batch
#import workspace

fn sum_of_partials(at: u32) -> f32 {
    let chunks = min(CHUNKS, batch.count);
    var sum = 0.0;
    for (var first = 0u; first < chunks; first += SUM_AHEAD) {
        var partial: array<f32, SUM_AHEAD>;
        for (var n = 0u; n < SUM_AHEAD; n++) {
            partial[n] = workspace[PARTIALS + min(first + n, chunks - 1u) * PARTIAL_LEN + at];
        }
        for (var n = 0u; n < SUM_AHEAD; n++) {
            if first + n < chunks {
                sum += partial[n];
            }
        }
    }
    return sum;
}
