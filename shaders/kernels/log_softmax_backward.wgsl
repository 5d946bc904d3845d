// dz[b,o] = dy[b,o] - exp(y[b,o]) * (sum over o of dy[b,o]), in place.
//
// workspace  y [B, OUTPUTS] at Y,  dy on entry, dz on return [B, OUTPUTS] at DY
//
// One workgroup per image; an invocation computes every WORKGROUP-th output. The gradient is copied to
// workgroup memory and every invocation sums all of it, so that one barrier and one order of summation are
// enough.
//
// CPU twin: src/cpu/log_softmax_backward.rs

#import shared/finite
#import shared/grid
#import shared/workspace
#import variants/member

var<workgroup> dy: array<f32, OUTPUTS>;

@compute @workgroup_size(WORKGROUP)
fn log_softmax_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let count = select_member(group.z);
    let image = workgroup_index(group, groups);
    if image >= count {
        return;
    }
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        dy[o] = workspace[workspace_start + DY + image * OUTPUTS + o];
    }
    workgroupBarrier();

    var sum = 0.0;
    for (var o = 0u; o < OUTPUTS; o++) {
        sum += dy[o];
    }
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        let index = image * OUTPUTS + o;
        workspace[workspace_start + DY + index] = dy[o] - exp_or_nan(workspace[workspace_start + Y + index]) * sum;
    }
}
