// The sum of the partial sums of the parameter at an offset of the arena, over the chunks that have images,
// in order. SUM_AHEAD values are loaded before the first is added, to hide load latency.

#import shared/partials
#import variants/member

fn sum_of_partials(offset: u32) -> f32 {
    let chunks = min(CHUNKS, batch.count);
    var sum = 0.0;
    for (var first = 0u; first < chunks; first += SUM_AHEAD) {
        var loaded: array<f32, SUM_AHEAD>;
        for (var n = 0u; n < SUM_AHEAD; n++) {
            loaded[n] = partials[partials_start + min(first + n, chunks - 1u) * PARTIAL_LEN + offset];
        }
        for (var n = 0u; n < SUM_AHEAD; n++) {
            if first + n < chunks {
                sum += loaded[n];
            }
        }
    }
    return sum;
}
