// The last layer and the loss in one:
//   z[b,k]         = bias[k] + sum over i of x[b,i] * weight[k,i]
//   log_probs[b,k] = z[b,k] - max z[b] - ln(sum over k of exp(z[b,k] - max z[b]))
//   loss[b]        = -log_probs[b, label[b]]
//   dz[b,k]        = (exp(log_probs[b,k]) - onehot(label[b])[k]) * loss_scale
//
// workspace   x [B, INPUTS] at X,  log_probs and dz [B, CLASSES] at LOG_PROBS and DZ
// parameters  weight [CLASSES, INPUTS] at WEIGHT,  bias [CLASSES] at BIAS
// outcomes    (loss, predicted class) of each image
//
// A workgroup takes one image and a lane every WORKGROUP-th class: INPUTS FMAs for 2 loads each. The
// logits stand in workgroup memory, and each lane goes through all of them for the maximum and the sum,
// so that there is one barrier and one order of summation.

#import batch
#import grid
#import labels
#import order
#import outcomes
#import parameters
#import workspace

var<workgroup> logits: array<f32, CLASSES>;

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
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        var sum = parameters[BIAS + k];
        for (var i = 0u; i < INPUTS; i++) {
            sum += workspace[X + image * INPUTS + i] * parameters[WEIGHT + k * INPUTS + i];
        }
        logits[k] = sum;
    }
    workgroupBarrier();

    var largest = logits[0];
    var predicted = 0u;
    for (var k = 1u; k < CLASSES; k++) {
        if logits[k] > largest {
            largest = logits[k];
            predicted = k;
        }
    }
    var sum = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        sum += exp(logits[k] - largest);
    }
    let log_sum = log(sum);

    let label = labels[order[batch.first + image]];
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        let log_prob = logits[k] - largest - log_sum;
        let target_prob = select(0.0, 1.0, k == label);
        workspace[LOG_PROBS + image * CLASSES + k] = log_prob;
        workspace[DZ + image * CLASSES + k] = (exp(log_prob) - target_prob) * batch.loss_scale;
    }
    if lane == 0u {
        let loss = largest + log_sum - logits[label];
        outcomes[batch.outcome + image] = Outcome(loss, predicted);
    }
}
