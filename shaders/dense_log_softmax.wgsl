// The last layer and the loss in one:
//   z[b,k]         = bias[k] + sum over i of x[b,i] * weight[k,i]
//   log_probs[b,k] = z[b,k] - max z[b] - ln(sum over k of exp(z[b,k] - max z[b]))
//   loss[b]        = -(sum over k of q[b,k] * log_probs[b,k])
//   dz[b,k]        = (exp(log_probs[b,k]) - q[b,k]) * loss_scale
// for the target q[b] = (1 - eps)*onehot(label[b]) + eps/K. Without smoothing eps the loss is
// -log_probs[b, label[b]].
//
// workspace   x [B, INPUTS] at X,  log_probs and dz [B, CLASSES] at OUTPUTS and DZ
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

    let predicted = predicted_class();
    let largest = logits[predicted];
    var sum = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        sum += exp(logits[k] - largest);
    }
    let log_sum = log(sum);

    let label = labels[order[batch.first + image]];
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        let log_prob = logits[k] - largest - log_sum;
        workspace[OUTPUTS + image * CLASSES + k] = log_prob;
        workspace[DZ + image * CLASSES + k] = (exp(log_prob) - target_of(k, label)) * batch.loss_scale;
    }
    if lane == 0u {
        var loss = largest + log_sum - logits[label];
        if batch.label_smoothing > 0.0 {
            var mean = 0.0;
            for (var k = 0u; k < CLASSES; k++) {
                mean += logits[k] / f32(CLASSES);
            }
            loss += batch.label_smoothing * (logits[label] - mean);
        }
        outcomes[batch.outcome + image] = Outcome(loss, predicted);
    }
}
