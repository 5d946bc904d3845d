// The last layer and the negative likelihood of its outputs as they are, without log-softmax, in one:
//   z[b,k]  = bias[k] + sum over i of x[b,i] * weight[k,i]
//   loss[b] = -sum over k of t[b,k] * z[b,k]
//   dz[b,k] = -t[b,k] * loss_scale
// for the target t[b] = (1 - eps)*onehot(label[b]) + eps/K. It has no lowest value: without batch
// normalisation nothing is learned by it, as the paper tells of the time before its log-softmax.
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
fn dense_raw_nll(
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
        workspace[OUTPUTS + image * CLASSES + k] = logits[k];
        workspace[DZ + image * CLASSES + k] = -target_of(k, label) * batch.loss_scale;
    }
    if lane == 0u {
        var loss = 0.0;
        for (var k = 0u; k < CLASSES; k++) {
            loss -= target_of(k, label) * logits[k];
        }
        outcomes[batch.outcome + image] = Outcome(loss, predicted_class(0u));
    }
}
