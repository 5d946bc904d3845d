// The dense layers of some images, forward to the loss and back:
//   fc1 = relu(bias + weight * pool2),  fc2 = relu(bias + weight * fc1),  logits = bias + weight * fc2
//   log_probs, loss and dlogits as shared/log_softmax_nll.wgsl has them
//   dfc2 = transposed weight of fc3 * dlogits, through ReLU;  dfc1 likewise;  dpool2 = that of fc1 * dfc1
// Weights' gradients are made where they are used (see gradients/outer_products.wgsl).
//
// workspace   pool2 and dpool2 [B, POOL2_LEN] at POOL2 and DPOOL2,  fc1 and dfc1 [B, FC1_LEN] at FC1 and DFC1,
//             fc2 and dfc2 [B, FC2_LEN] at FC2 and DFC2,  log_probs and dlogits [B, CLASSES] at OUTPUTS and
//             DLOGITS; all but pool2 and log_probs only where BACKWARD
// parameters  weights [outputs, inputs] and biases [outputs] at WEIGHT_FC1, BIAS_FC1 and so on
// outcomes    (loss, predicted class) of each image
//
// A workgroup takes IMAGES images, whose maps stay in workgroup memory, so that each weight loaded is used
// IMAGES times. Forward, SHARE lanes share an output: neighbours read neighbouring weights of a row, and their
// sums are added up in order. Backward, a lane makes one input's gradient, and neighbours read neighbouring
// weights again.

#import activation
#import grid
#import labels
#import log_softmax_nll
#import order
#import parameters
#import workspace

// pool2, fc1 and fc2 of all images, each layer by itself; backward each layer's gradient takes its place.
var<workgroup> maps: array<f32, IMAGES * (POOL2_LEN + FC1_LEN + FC2_LEN)>;
const POOL2_MAP = 0u;
const FC1_MAP = IMAGES * POOL2_LEN;
const FC2_MAP = FC1_MAP + IMAGES * FC1_LEN;
// What each lane has summed for each image.
var<workgroup> shares: array<f32, IMAGES * WORKGROUP>;
// Outputs that are made at a time.
const ROWS = WORKGROUP / SHARE;

@compute @workgroup_size(WORKGROUP)
fn fused_dense(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_image = workgroup_index(group, groups) * IMAGES;
    if first_image >= batch.count {
        return;
    }

    for (var at = lane; at < IMAGES * POOL2_LEN; at += WORKGROUP) {
        // The last group may reach past the last image: it computes that one again and drops it.
        let image = min(first_image + at / POOL2_LEN, batch.count - 1u);
        maps[POOL2_MAP + at] = workspace[POOL2 + image * POOL2_LEN + at % POOL2_LEN];
    }
    workgroupBarrier();

    forward(lane, POOL2_MAP, POOL2_LEN, FC1_MAP, FC1_LEN, WEIGHT_FC1, BIAS_FC1);
    forward(lane, FC1_MAP, FC1_LEN, FC2_MAP, FC2_LEN, WEIGHT_FC2, BIAS_FC2);
    if BACKWARD {
        keep(lane, first_image, FC1_MAP, FC1_LEN, FC1);
        keep(lane, first_image, FC2_MAP, FC2_LEN, FC2);
    }
    forward(lane, FC2_MAP, FC2_LEN, LAST, CLASSES, WEIGHT_FC3, BIAS_FC3);

    // Each lane reads all logits of an image before any becomes its gradient.
    var gradients: array<f32, LOGITS_A_LANE>;
    for (var n = 0u; n < LOGITS_A_LANE; n++) {
        let at = n * WORKGROUP + lane;
        let b = at / CLASSES;
        let k = at % CLASSES;
        if at < LOGITS && first_image + b < batch.count {
            let image = first_image + b;
            let label = labels[order[batch.first + image]];
            let terms = normaliser(b * CLASSES);
            let log_prob = log_prob(b * CLASSES, k, terms);
            gradients[n] = gradient_at_logit(log_prob, k, label);
            workspace[OUTPUTS + image * CLASSES + k] = log_prob;
            if k == 0u {
                outcomes[batch.outcome + image] = outcome(b * CLASSES, label, terms);
            }
        }
    }
    if !BACKWARD {
        return;
    }
    workgroupBarrier();
    for (var n = 0u; n < LOGITS_A_LANE; n++) {
        let at = n * WORKGROUP + lane;
        if at < LOGITS {
            logits[at] = gradients[n];
            if first_image + at / CLASSES < batch.count {
                workspace[DLOGITS + first_image * CLASSES + at] = gradients[n];
            }
        }
    }
    workgroupBarrier();

    backward(lane, first_image, FC2_MAP, FC2_LEN, LAST, CLASSES, WEIGHT_FC3, DFC2);
    backward(lane, first_image, FC1_MAP, FC1_LEN, FC2_MAP, FC2_LEN, WEIGHT_FC2, DFC1);
    backward(lane, first_image, POOL2_MAP, POOL2_LEN, FC1_MAP, FC1_LEN, WEIGHT_FC1, DPOOL2);
}

// In the place of a map: the logits, which have an array of their own and no ReLU.
const LAST = 0xffffffffu;
// Logits that a lane looks after.
const LOGITS_A_LANE = (LOGITS + WORKGROUP - 1u) / WORKGROUP;

fn value(map: u32, at: u32) -> f32 {
    if map == LAST {
        return logits[at];
    }
    return maps[map + at];
}

// A layer's outputs y from its inputs x. For all lanes to call at once.
fn forward(lane: u32, x: u32, inputs: u32, y: u32, outputs: u32, weights: u32, biases: u32) {
    let part = lane % SHARE;
    for (var first = 0u; first < outputs; first += ROWS) {
        let output = first + lane / SHARE;
        var sums: array<f32, IMAGES>;
        if output < outputs {
            for (var i = part; i < inputs; i += SHARE) {
                let weight = parameters[weights + output * inputs + i];
                for (var b = 0u; b < IMAGES; b++) {
                    sums[b] += maps[x + b * inputs + i] * weight;
                }
            }
        }
        for (var b = 0u; b < IMAGES; b++) {
            shares[b * WORKGROUP + lane] = sums[b];
        }
        workgroupBarrier();
        for (var at = lane; at < ROWS * IMAGES; at += WORKGROUP) {
            let o = first + at % ROWS;
            let b = at / ROWS;
            if o < outputs {
                var sum = parameters[biases + o];
                for (var s = 0u; s < SHARE; s++) {
                    sum += shares[b * WORKGROUP + at % ROWS * SHARE + s];
                }
                if y == LAST {
                    logits[b * outputs + o] = sum;
                } else {
                    maps[y + b * outputs + o] = activate(sum);
                }
            }
        }
        workgroupBarrier();
    }
}

// Puts a layer's outputs where the weights' gradients find them.
fn keep(lane: u32, first_image: u32, map: u32, len: u32, to: u32) {
    for (var at = lane; at < IMAGES * len; at += WORKGROUP) {
        if first_image + at / len < batch.count {
            workspace[to + first_image * len + at] = maps[map + at];
        }
    }
}

// The gradient of a layer's inputs x, from that of its outputs y. It takes the place of x, and is kept. Through
// ReLU, but for pool2, whose ReLU stands before the pool. For all lanes to call at once.
fn backward(
    lane: u32,
    first_image: u32,
    x: u32,
    inputs: u32,
    y: u32,
    outputs: u32,
    weights: u32,
    to: u32,
) {
    for (var i = lane; i < inputs; i += WORKGROUP) {
        var sums: array<f32, IMAGES>;
        for (var o = 0u; o < outputs; o++) {
            let weight = parameters[weights + o * inputs + i];
            for (var b = 0u; b < IMAGES; b++) {
                sums[b] += value(y, b * outputs + o) * weight;
            }
        }
        for (var b = 0u; b < IMAGES; b++) {
            let at = b * inputs + i;
            let gradient = select(activate_backward(maps[x + at], sums[b]), sums[b], x == POOL2_MAP);
            maps[x + at] = gradient;
            if first_image + b < batch.count {
                workspace[to + first_image * inputs + at] = gradient;
            }
        }
    }
    workgroupBarrier();
}
