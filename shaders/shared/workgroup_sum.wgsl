var<workgroup> summands: array<f32, WORKGROUP>;

const_assert((WORKGROUP & (WORKGROUP - 1u)) == 0u);

// The sum of all lanes' values, in each lane: the upper half is added to the lower one until one value is
// left, so that the order is always the same. For all lanes to call at once.
fn workgroup_sum(lane: u32, value: f32) -> f32 {
    summands[lane] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            summands[lane] += summands[lane + half];
        }
        workgroupBarrier();
    }
    let sum = summands[0];
    // The next call writes over it.
    workgroupBarrier();
    return sum;
}
