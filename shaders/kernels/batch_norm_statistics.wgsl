// mean[c]     = sum over b,i of x[b,c,i] / n,                n = B * POSITIONS
// variance[c] = sum over b,i of (x[b,c,i] - mean[c])^2 / n
// running     = (1 - MOMENTUM) * running + MOMENTUM * batch's, whose variance is divided by n - 1 instead of n
//
// The variance is summed in a second sweep over the values, because the mean of squares minus the square of
// the mean suffers from cancellation. If n is 1, the running variance is left unchanged.
//
// workspace   x [B, CHANNELS, POSITIONS] at X,  mean and variance [CHANNELS] at MEAN and VARIANCE
// parameters  running mean and variance [CHANNELS] at RUNNING_MEAN and RUNNING_VAR
// faults      running statistics that are not finite: see shared/faults.wgsl
//
// One workgroup per channel; an invocation sums every WORKGROUP-th value with 2 loads each, one per sweep.
// The invocations' sums are added by a tree reduction.
//
// CPU twin: src/cpu/batch_norm_statistics.rs

#import shared/batch_norm
#import shared/bindings
#import shared/faults
#import shared/grid
#import shared/workgroup_sum
#import shared/workspace
#import variants/member

@group(0) @binding(BINDING_PARAMETERS) var<storage, read_write> parameters: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn batch_norm_statistics(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    select_member(group.z);
    let channel = workgroup_index(group, groups);
    if channel >= CHANNELS {
        return;
    }
    let count = batch.count * POSITIONS;
    let n = f32(count);

    var sum = 0.0;
    for (var i = lane; i < count; i += WORKGROUP) {
        sum += workspace[workspace_start + X + index_in_channel(channel, i)];
    }
    let mean = workgroup_sum(lane, sum) / n;

    var squares = 0.0;
    for (var i = lane; i < count; i += WORKGROUP) {
        let deviation = workspace[workspace_start + X + index_in_channel(channel, i)] - mean;
        squares += deviation * deviation;
    }
    let variance = workgroup_sum(lane, squares) / n;

    if lane == 0u {
        workspace[workspace_start + MEAN + channel] = mean;
        workspace[workspace_start + VARIANCE + channel] = variance;

        let running_mean = (1.0 - MOMENTUM) * parameters[arena_start + RUNNING_MEAN + channel] + MOMENTUM * mean;
        parameters[arena_start + RUNNING_MEAN + channel] = running_mean;
        check_finite(RUNNING_MEAN + channel, running_mean, 0.0);

        var running_var = parameters[arena_start + RUNNING_VAR + channel];
        if count > 1u {
            running_var = (1.0 - MOMENTUM) * running_var + MOMENTUM * (variance * n / (n - 1.0));
        }
        parameters[arena_start + RUNNING_VAR + channel] = running_var;
        check_finite(RUNNING_VAR + channel, running_var, 0.0);
    }
}
