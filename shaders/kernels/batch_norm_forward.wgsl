// y[b,c,i] = (x[b,c,i] - mean[c]) / sqrt(variance[c] + EPS) * weight[c] + bias[c]
//
// Training uses the batch's statistics, evaluation (RUNNING) the running statistics.
//
// workspace   x and y [B, CHANNELS, POSITIONS] at X and Y
// parameters  weight and bias [CHANNELS] at WEIGHT and BIAS
// mean and variance [CHANNELS] at MEAN and VARIANCE, in parameters if RUNNING, else in workspace
//
// One invocation computes one value with 5 loads, of which its neighbours share 4.
//
// CPU twin: src/cpu/batch_norm_forward.rs

#import shared/batch_norm
#import shared/grid
#import shared/parameters
#import shared/workspace
#import variants/member

@compute @workgroup_size(WORKGROUP)
fn batch_norm_forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    if index >= batch.count * CHANNELS * POSITIONS {
        return;
    }
    let channel = channel_at(index);
    var mean = 0.0;
    var variance = 0.0;
    if RUNNING {
        mean = parameters[arena_start + MEAN + channel];
        variance = parameters[arena_start + VARIANCE + channel];
    } else {
        mean = workspace[workspace_start + MEAN + channel];
        variance = workspace[workspace_start + VARIANCE + channel];
    }
    let normalised = (workspace[workspace_start + X + index] - mean) * inverse_deviation(variance);
    let weight = parameters[arena_start + WEIGHT + channel];
    let bias = parameters[arena_start + BIAS + channel];
    workspace[workspace_start + Y + index] = normalised * weight + bias;
}
