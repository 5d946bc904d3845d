// The last layer and the squared distance of its outputs from their target, in one:
//   z[b,k]  = bias[k] + sum over i of x[b,i] * weight[k,i]
//   loss[b] = sum over k of (z[b,k] - t[b,k])^2 / DIVISOR
//   dz[b,k] = 2 * (z[b,k] - t[b,k]) / DIVISOR * loss_scale
// for the target t[b] = (1 - eps)*onehot(label[b]) + eps/K. DIVISOR is K where the mean is taken, else 1.
//
// workspace   x [B, INPUTS] at X,  z and dz [B, CLASSES] at OUTPUTS and DZ
// parameters  weight [CLASSES, INPUTS] at WEIGHT,  bias [CLASSES] at BIAS
// outcomes    (loss, predicted class) of each image
//
// A workgroup takes one image and a lane every WORKGROUP-th class.

#import grid
#import labels
#import logits
#import order
#import outcomes

@compute @workgroup_size(WORKGROUP)
fn dense_mse(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = workgroup_index(group, groups);
    if image >= batch.count {
        return;
    }
    make_logits(image, lane);

    let label = labels[order[batch.first + image]];
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        let difference = logits[k] - target_of(k, label);
        workspace[OUTPUTS + image * CLASSES + k] = logits[k];
        workspace[DZ + image * CLASSES + k] = 2.0 * difference / f32(DIVISOR) * batch.loss_scale;
    }
    if lane == 0u {
        var loss = 0.0;
        for (var k = 0u; k < CLASSES; k++) {
            let difference = logits[k] - target_of(k, label);
            loss += difference * difference;
        }
        outcomes[batch.outcome + image] = Outcome(loss / f32(DIVISOR), predicted_class(0u));
    }
}
