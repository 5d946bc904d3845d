var<workgroup> summands: array<f32, WORKGROUP>;

const_assert((WORKGROUP & (WORKGROUP - 1u)) == 0u);

// The sum of all invocations' values, returned to each of them. A tree reduction: the upper half is added to
// the lower half until one value is left, so the order is always the same. All invocations of the workgroup
// must call this.
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
    // The next call overwrites summands.
    workgroupBarrier();
    return sum;
}
