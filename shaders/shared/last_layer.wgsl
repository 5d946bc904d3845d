// The last layer of one image, computed by one workgroup:
//   logits[k] = bias[k] + sum over i of x[i] * weight[k,i]
// The logits stay in workgroup memory and every invocation reads all of them, so that one barrier and one
// order of summation are enough.

#import shared/logits
#import shared/parameters
#import shared/workspace

// An invocation computes every WORKGROUP-th class: INPUTS FMAs with 2 loads each. All invocations of the
// workgroup must call this.
fn compute_logits(image: u32, lane: u32) {
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        var sum = parameters[arena_start + BIAS + k];
        for (var i = 0u; i < INPUTS; i++) {
            let x = workspace[workspace_start + X + image * INPUTS + i];
            sum += x * parameters[arena_start + WEIGHT + k * INPUTS + i];
        }
        logits[k] = sum;
    }
    workgroupBarrier();
}
