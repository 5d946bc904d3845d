// y[b,o] = z[b,o] - max z[b] - ln(sum over o of exp(z[b,o] - max z[b])), in place.
//
// Log-softmax as the activation of a hidden layer; the one before the loss is part of dense_loss.wgsl.
//
// workspace  z on entry, y on return [B, OUTPUTS] at Y
//
// One workgroup per image; an invocation computes every WORKGROUP-th output. The inputs are copied to
// workgroup memory and every invocation reads all of them, so that one barrier and one order of summation are
// enough.
//
// CPU twin: src/cpu/log_softmax.rs

#import shared/finite
#import shared/grid
#import shared/workspace
#import variants/member

var<workgroup> z: array<f32, OUTPUTS>;

@compute @workgroup_size(WORKGROUP)
fn log_softmax(
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
        z[o] = workspace[workspace_start + Y + image * OUTPUTS + o];
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
        sum += exp_or_nan(z[o] - largest);
    }
    let log_sum = log_or_nan(sum);
    for (var o = lane; o < OUTPUTS; o += WORKGROUP) {
        workspace[workspace_start + Y + image * OUTPUTS + o] = z[o] - largest - log_sum;
    }
}
