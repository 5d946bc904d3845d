// The last layer, log-softmax and the negative log-likelihood in one:
//   z[b,k] = bias[k] + sum over i of x[b,i] * weight[k,i]
// and from that log_probs[b,k], loss[b] and dz[b,k] as shared/log_softmax_nll.wgsl has them.
//
// workspace   x [B, INPUTS] at X,  log_probs and dz [B, CLASSES] at OUTPUTS and DZ
// parameters  weight [CLASSES, INPUTS] at WEIGHT,  bias [CLASSES] at BIAS
// outcomes    (loss, predicted class) of each image
//
// A workgroup takes one image and a lane every WORKGROUP-th class.

#import grid
#import labels
#import log_softmax_nll
#import logits
#import order

@compute @workgroup_size(WORKGROUP)
fn dense_log_softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = workgroup_index(group, groups);
    if image >= batch.count {
        return;
    }
    make_logits(image, lane);

    let terms = normaliser(0u);
    let label = labels[order[batch.first + image]];
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        let log_prob = log_prob(0u, k, terms);
        workspace[OUTPUTS + image * CLASSES + k] = log_prob;
        workspace[DZ + image * CLASSES + k] = gradient_at_logit(log_prob, k, label);
    }
    if lane == 0u {
        outcomes[batch.outcome + image] = outcome(0u, label, terms);
    }
}
