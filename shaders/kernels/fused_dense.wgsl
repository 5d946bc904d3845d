// The dense layers of some images, forward to the loss and backward:
//   fc1 = relu(bias + weight * pool2),  fc2 = relu(bias + weight * fc1),  logits = bias + weight * fc2
//   log_probs, loss and dlogits: see variants/loss/
//   dfc2 = transposed weight of fc3 * dlogits, through ReLU;  dfc1 likewise
//   dpool2 = transposed weight of fc1 * dfc1
// The gradients of the weights are computed where they are used: see variants/gradient/outer_products.wgsl.
//
// workspace   pool2 [B, POOL2_LEN] at POOL2,  log_probs [B, CLASSES] at OUTPUTS; if BACKWARD, also
//             dpool2 [B, POOL2_LEN] at DPOOL2,  fc1 and dfc1 [B, FC1_LEN] at FC1 and DFC1,
//             fc2 and dfc2 [B, FC2_LEN] at FC2 and DFC2,  dlogits [B, CLASSES] at DLOGITS
// parameters  weights [outputs, inputs] and biases [outputs] at WEIGHT_FC1, BIAS_FC1 and so on
// order, labels  the class of each image
// outcomes    loss and predicted class of each image
//
// One workgroup takes IMAGES images, whose activations stay in workgroup memory. shared/dense_layer.wgsl
// describes how its invocations share a layer.
//
// Replaces dense_forward (fc1, fc2), dense_loss (fc3) and the input gradients of dense_backward (fc1 to fc3).
// Counterpart: src/cpu/dense_forward.rs, src/cpu/dense_loss.rs, src/cpu/dense_backward.rs

#import shared/dense_layer
#import shared/grid
#import shared/labels
#import shared/order
#import shared/workspace
#import variants/loss

// vec4s of an image's activations, and of a weight's rows.
const POOL2_VEC4S = POOL2_LEN / 4u;
const FC1_VEC4S = FC1_LEN / 4u;
const FC2_VEC4S = FC2_LEN / 4u;
const_assert POOL2_LEN % 4u == 0u && FC1_LEN % 4u == 0u && FC2_LEN % 4u == 0u;
const_assert WEIGHT_FC1 % 4u == 0u && WEIGHT_FC2 % 4u == 0u && WEIGHT_FC3 % 4u == 0u;

// pool2, fc1 and fc2 of all images, layer by layer; in the backward pass the gradient of a layer replaces it.
var<workgroup> activations: array<vec4<f32>, IMAGES * (POOL2_VEC4S + FC1_VEC4S + FC2_VEC4S)>;
const POOL2_START = 0u;
const FC1_START = IMAGES * POOL2_VEC4S;
const FC2_START = FC1_START + IMAGES * FC1_VEC4S;
// Passed instead of an index for the logits, which have an array of their own and no ReLU.
const LAST = 0xffffffffu;
// Logits per invocation.
const LOGITS_PER_LANE = (LOGITS + WORKGROUP - 1u) / WORKGROUP;

@compute @workgroup_size(WORKGROUP)
fn fused_dense(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let count = select_member(group.z);
    let first_image = workgroup_index(group, groups) * IMAGES;
    if first_image >= count {
        return;
    }

    var rows1: Rows;
    var rows2: Rows;
    var rows3: Rows;
    if EARLY {
        rows1 = load_rows(lane, lane % SHARE, POOL2_VEC4S, FC1_LEN, WEIGHT_FC1);
        rows2 = load_rows(lane, lane % SHARE, FC1_VEC4S, FC2_LEN, WEIGHT_FC2);
        rows3 = load_rows(lane, lane % SHARE, FC2_VEC4S, CLASSES, WEIGHT_FC3);
    }
    // The label of the image of each of the invocation's logits.
    var label: array<u32, LOGITS_PER_LANE>;
    for (var n = 0u; n < LOGITS_PER_LANE; n++) {
        let image = min(first_image + (n * WORKGROUP + lane) / CLASSES, batch.count - 1u);
        label[n] = labels[order[batch.first + image]];
    }
    for (var i = lane; i < IMAGES * POOL2_LEN; i += WORKGROUP) {
        // A group that extends past the last image computes the last image again and drops the result.
        let image = min(first_image + i / POOL2_LEN, batch.count - 1u);
        let offset = POOL2 + image * POOL2_LEN + i % POOL2_LEN;
        activations[POOL2_START + i / 4u][i % 4u] = workspace[workspace_start + offset];
    }
    workgroupBarrier();

    forward(lane, POOL2_START, POOL2_VEC4S, FC1_START, FC1_LEN, WEIGHT_FC1, BIAS_FC1, rows1);
    forward(lane, FC1_START, FC1_VEC4S, FC2_START, FC2_LEN, WEIGHT_FC2, BIAS_FC2, rows2);
    if BACKWARD {
        store_outputs(lane, first_image, FC1_START, FC1_LEN, FC1);
        store_outputs(lane, first_image, FC2_START, FC2_LEN, FC2);
    }
    forward(lane, FC2_START, FC2_VEC4S, LAST, CLASSES, WEIGHT_FC3, BIAS_FC3, rows3);

    // All logits of an image are read before the first is replaced by its gradient.
    var gradients: array<f32, LOGITS_PER_LANE>;
    for (var n = 0u; n < LOGITS_PER_LANE; n++) {
        let i = n * WORKGROUP + lane;
        let b = i / CLASSES;
        let k = i % CLASSES;
        if i < LOGITS && first_image + b < batch.count {
            let image = first_image + b;
            let terms = loss_terms(b * CLASSES, label[n]);
            let log_prob = loss_output(terms, k);
            gradients[n] = loss_gradient(terms, k, log_prob);
            workspace[workspace_start + OUTPUTS + image * CLASSES + k] = log_prob;
            if k == 0u {
                outcomes[batch.outcome + image] = loss_outcome(terms);
            }
        }
    }
    if !BACKWARD {
        return;
    }
    workgroupBarrier();
    for (var n = 0u; n < LOGITS_PER_LANE; n++) {
        let i = n * WORKGROUP + lane;
        if i < LOGITS {
            logits[i] = gradients[n];
            if first_image + i / CLASSES < batch.count {
                workspace[workspace_start + DLOGITS + first_image * CLASSES + i] = gradients[n];
            }
        }
    }
    workgroupBarrier();

    backward(lane, first_image, FC2_START, FC2_VEC4S, LAST, CLASSES, WEIGHT_FC3, DFC2);
    backward(lane, first_image, FC1_START, FC1_VEC4S, FC2_START, FC2_LEN, WEIGHT_FC2, DFC1);
    backward(lane, first_image, POOL2_START, POOL2_VEC4S, FC1_START, FC1_LEN, WEIGHT_FC1, DPOOL2);
}

// Stores a layer's outputs at the workspace offset `to`, for the gradients of the weights.
fn store_outputs(lane: u32, first_image: u32, layer: u32, length: u32, to: u32) {
    for (var i = lane; i < IMAGES * length; i += WORKGROUP) {
        if first_image + i / length < batch.count {
            workspace[workspace_start + to + first_image * length + i] = value(layer, i);
        }
    }
}
