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

#import shared/batch
#import shared/batch_norm
#import shared/gradients
#import shared/grid
#import shared/parameters
#import shared/workspace
#import variants/activation

@compute @workgroup_size(WORKGROUP)
fn batch_norm_backward_input(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = invocation_index(id, groups);
    if index >= batch.count * CHANNELS * POSITIONS {
        return;
    }
    let channel = channel_at(index);
    let scale = inverse_deviation(workspace[VARIANCE + channel]);
    let x = workspace[X + index];
    let normalised = (x - workspace[MEAN + channel]) * scale;
    let n = f32(batch.count * POSITIONS);
    let means = (gradients[BIAS + channel] + normalised * gradients[WEIGHT + channel]) / n;
    let dx = parameters[WEIGHT + channel] * scale * (workspace[DY + index] - means);
    workspace[DX + index] = activate_backward(x, dx);
}
