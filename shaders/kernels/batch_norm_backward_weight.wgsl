// dweight[c] = sum over b,i of dy[b,c,i] * xhat[b,c,i]
// dbias[c]   = sum over b,i of dy[b,c,i]
// where xhat = (x - mean) / sqrt(variance + EPS) is the normalised input.
//
// workspace  x and dy [B, CHANNELS, POSITIONS] at X and DY,  mean and variance [CHANNELS] at MEAN and VARIANCE
// gradients  dweight and dbias [CHANNELS] at WEIGHT and BIAS
//
// One workgroup per channel; an invocation sums every WORKGROUP-th value with 2 loads each. The invocations'
// sums are added by a tree reduction.
//
// CPU twin: src/cpu/batch_norm_backward_weight.rs

#import shared/batch_norm
#import shared/gradients
#import shared/grid
#import shared/workgroup_sum
#import shared/workspace
#import variants/member

@compute @workgroup_size(WORKGROUP)
fn batch_norm_backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    select_member(group.z);
    let channel = workgroup_index(group, groups);
    if channel >= CHANNELS {
        return;
    }
    let mean = workspace[workspace_start + MEAN + channel];
    let scale = inverse_deviation(workspace[workspace_start + VARIANCE + channel]);
    var weight_sum = 0.0;
    var bias_sum = 0.0;
    for (var i = lane; i < batch.count * POSITIONS; i += WORKGROUP) {
        let index = index_in_channel(channel, i);
        let dy = workspace[workspace_start + DY + index];
        weight_sum += dy * ((workspace[workspace_start + X + index] - mean) * scale);
        bias_sum += dy;
    }
    let dweight = workgroup_sum(lane, weight_sum);
    let dbias = workgroup_sum(lane, bias_sum);
    if lane == 0u {
        gradients[arena_start + WEIGHT + channel] = dweight;
        gradients[arena_start + BIAS + channel] = dbias;
    }
}
