// dz[b,o] = dy[b,o] - exp(y[b,o]) * (sum over o of dy[b,o]), in the place of dy.
//
// workspace  y [B, OUTPUTS] at Y,  dy, then dz [B, OUTPUTS] at DY
//
// A workgroup takes one image and a lane every WORKGROUP-th output. The gradient stands in workgroup memory,
// and each lane sums all of it, so that there is one barrier and one order of summation.

#import batch
#import grid
#import workspace

var<workgroup> dy: array<f32, OUTPUTS>;

@compute @workgroup_size(WORKGROUP)
fn log_softmax_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = workgroup_index(group, groups);
    if image >= batch.count {
        return;
    }
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        dy[o] = workspace[DY + image * OUTPUTS + o];
    }
    workgroupBarrier();

    var sum = 0.0;
    for (var o = 0u; o < OUTPUTS; o++) {
        sum += dy[o];
    }
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        let at = image * OUTPUTS + o;
        workspace[DY + at] = dy[o] - exp(workspace[Y + at]) * sum;
    }
}
