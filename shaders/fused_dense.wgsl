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
// A workgroup takes IMAGES images, whose maps stay in workgroup memory. How its lanes share a layer is in
// shared/dense_layer.wgsl.

#import dense_layer
#import grid
#import labels
#import log_softmax_nll
#import order
#import workspace

// Quads of an image's maps, and of a weight's rows.
const POOL2_QUADS = POOL2_LEN / 4u;
const FC1_QUADS = FC1_LEN / 4u;
const FC2_QUADS = FC2_LEN / 4u;
const_assert POOL2_LEN % 4u == 0u && FC1_LEN % 4u == 0u && FC2_LEN % 4u == 0u;
const_assert WEIGHT_FC1 % 4u == 0u && WEIGHT_FC2 % 4u == 0u && WEIGHT_FC3 % 4u == 0u;

// pool2, fc1 and fc2 of all images, each layer by itself; backward each layer's gradient takes its place.
var<workgroup> maps: array<vec4<f32>, IMAGES * (POOL2_QUADS + FC1_QUADS + FC2_QUADS)>;
const POOL2_MAP = 0u;
const FC1_MAP = IMAGES * POOL2_QUADS;
const FC2_MAP = FC1_MAP + IMAGES * FC1_QUADS;

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

    var rows1: Rows;
    var rows2: Rows;
    var rows3: Rows;
    if EARLY {
        rows1 = rows_from(lane, lane % SHARE, POOL2_QUADS, FC1_LEN, WEIGHT_FC1);
        rows2 = rows_from(lane, lane % SHARE, FC1_QUADS, FC2_LEN, WEIGHT_FC2);
        rows3 = rows_from(lane, lane % SHARE, FC2_QUADS, CLASSES, WEIGHT_FC3);
    }
    // Each lane's logits are those of one place in LOGITS after the other.
    var label: array<u32, LOGITS_A_LANE>;
    for (var n = 0u; n < LOGITS_A_LANE; n++) {
        let image = min(first_image + (n * WORKGROUP + lane) / CLASSES, batch.count - 1u);
        label[n] = labels[order[batch.first + image]];
    }
    for (var at = lane; at < IMAGES * POOL2_LEN; at += WORKGROUP) {
        // The last group may reach past the last image: it computes that one again and drops it.
        let image = min(first_image + at / POOL2_LEN, batch.count - 1u);
        maps[POOL2_MAP + at / 4u][at % 4u] = workspace[POOL2 + image * POOL2_LEN + at % POOL2_LEN];
    }
    workgroupBarrier();

    forward(lane, POOL2_MAP, POOL2_QUADS, FC1_MAP, FC1_LEN, WEIGHT_FC1, BIAS_FC1, rows1);
    forward(lane, FC1_MAP, FC1_QUADS, FC2_MAP, FC2_LEN, WEIGHT_FC2, BIAS_FC2, rows2);
    if BACKWARD {
        keep(lane, first_image, FC1_MAP, FC1_LEN, FC1);
        keep(lane, first_image, FC2_MAP, FC2_LEN, FC2);
    }
    forward(lane, FC2_MAP, FC2_QUADS, LAST, CLASSES, WEIGHT_FC3, BIAS_FC3, rows3);

    // Each lane reads all logits of an image before any becomes its gradient.
    var gradients: array<f32, LOGITS_A_LANE>;
    for (var n = 0u; n < LOGITS_A_LANE; n++) {
        let at = n * WORKGROUP + lane;
        let b = at / CLASSES;
        let k = at % CLASSES;
        if at < LOGITS && first_image + b < batch.count {
            let image = first_image + b;
            let terms = normaliser(b * CLASSES);
            let log_prob = log_prob(b * CLASSES, k, terms);
            gradients[n] = gradient_at_logit(log_prob, k, label[n]);
            workspace[OUTPUTS + image * CLASSES + k] = log_prob;
            if k == 0u {
                outcomes[batch.outcome + image] = outcome(b * CLASSES, label[n], terms);
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

    backward(lane, first_image, FC2_MAP, FC2_QUADS, LAST, CLASSES, WEIGHT_FC3, DFC2);
    backward(lane, first_image, FC1_MAP, FC1_QUADS, FC2_MAP, FC2_LEN, WEIGHT_FC2, DFC1);
    backward(lane, first_image, POOL2_MAP, POOL2_QUADS, FC1_MAP, FC1_LEN, WEIGHT_FC1, DPOOL2);
}

// In the place of a map: the logits, which have an array of their own and no ReLU.
const LAST = 0xffffffffu;
// Logits that a lane looks after.
const LOGITS_A_LANE = (LOGITS + WORKGROUP - 1u) / WORKGROUP;

// Puts a layer's outputs where the weights' gradients find them.
fn keep(lane: u32, first_image: u32, map: u32, len: u32, to: u32) {
    for (var at = lane; at < IMAGES * len; at += WORKGROUP) {
        if first_image + at / len < batch.count {
            workspace[to + first_image * len + at] = value(map, at);
        }
    }
}
