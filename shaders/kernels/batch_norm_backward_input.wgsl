// dx[b,c,i] = weight[c] / sqrt(variance[c] + EPS) * (dy[b,c,i] - (dbias[c] + xhat[b,c,i] * dweight[c]) / n)
// where xhat = (x - mean) / sqrt(variance + EPS) is the normalised input and n = B * POSITIONS; then through
// the activation whose output is x.
//
// workspace   x, dy and dx [B, CHANNELS, POSITIONS] at X, DY and DX,
//             mean and variance [CHANNELS] at MEAN and VARIANCE
// parameters  weight [CHANNELS] at WEIGHT
// gradients   dweight and dbias [CHANNELS] at WEIGHT and BIAS
//
// One invocation computes one value with 7 loads, of which its neighbours share 5.
//
// CPU twin: src/cpu/batch_norm_backward_input.rs

#import shared/batch_norm
#import shared/gradients
#import shared/grid
#import shared/parameters
#import shared/workspace
#import variants/activation
#import variants/member

@compute @workgroup_size(WORKGROUP)
fn batch_norm_backward_input(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    if index >= batch.count * CHANNELS * POSITIONS {
        return;
    }
    let channel = channel_at(index);
    let scale = inverse_deviation(workspace[workspace_start + VARIANCE + channel]);
    let x = workspace[workspace_start + X + index];
    let normalised = (x - workspace[workspace_start + MEAN + channel]) * scale;
    let n = f32(batch.count * POSITIONS);
    let dweight = gradients[arena_start + WEIGHT + channel];
    let dbias = gradients[arena_start + BIAS + channel];
    let means = (dbias + normalised * dweight) / n;
    let weight = parameters[arena_start + WEIGHT + channel];
    let dx = weight * scale * (workspace[workspace_start + DY + index] - means);
    workspace[workspace_start + DX + index] = activate_backward(x, dx);
}
