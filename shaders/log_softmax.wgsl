// y[b,o] = z[b,o] - max z[b] - ln(sum over o of exp(z[b,o] - max z[b])), in the place of z.
//
// workspace  z, then y [B, OUTPUTS] at Y
//
// A workgroup takes one image and a lane every WORKGROUP-th output. What is read stands in workgroup memory,
// and each lane goes through all of it, so that there is one barrier and one order of summation.

#import batch
#import grid
#import workspace

var<workgroup> z: array<f32, OUTPUTS>;

@compute @workgroup_size(WORKGROUP)
fn log_softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = workgroup_index(group, groups);
    if image >= batch.count {
        return;
    }
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        z[o] = workspace[Y + image * OUTPUTS + o];
    }
    workgroupBarrier();

    var largest = z[0];
    for (var o = 1u; o < OUTPUTS; o++) {
        if z[o] > largest {
            largest = z[o];
        }
    }
    var sum = 0.0;
    for (var o = 0u; o < OUTPUTS; o++) {
        sum += exp(z[o] - largest);
    }
    let log_sum = log(sum);
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        workspace[Y + image * OUTPUTS + o] = z[o] - largest - log_sum;
    }
}
