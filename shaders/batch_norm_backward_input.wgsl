// dx[b,c,i] = weight[c] / sqrt(variance[c] + EPS) * (dy[b,c,i] - (dbias[c] + xhat[b,c,i] * dweight[c]) / n)
// where xhat = (x - mean) / sqrt(variance + EPS) is what was normalised and n = B * POSITIONS, then through
// the activation whose output is x.
//
// workspace   x, dy and dx [B, CHANNELS, POSITIONS] at X, DY and DX,
//             mean and variance [CHANNELS] at MEAN and VARIANCE
// parameters  weight [CHANNELS] at WEIGHT
// gradients   dweight and dbias [CHANNELS] at WEIGHT and BIAS
//
// One invocation makes one value: 7 loads, 5 of which its neighbours make too.

#import activation
#import batch
#import batch_norm
#import gradients
#import grid
#import parameters
#import workspace

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
    let means = (gradients[BIAS + channel] + normalised * gradients[WEIGHT + channel]) / f32(batch.count * POSITIONS);
    let dx = parameters[WEIGHT + channel] * scale * (workspace[DY + index] - means);
    workspace[DX + index] = activate_backward(x, dx);
}
