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
// IMAGES times. Weights come from far away: they are loaded four at a time, and a lane asks for LOADS such quads
// before it uses the first. Forward, SHARE lanes share up to TURNS outputs; backward, as many as there are lanes
// for share the four inputs of a quad. Neighbours read neighbouring quads of a row, and sums of lanes that share are
// added up in order.

#import activation
#import grid
#import labels
#import log_softmax_nll
#import order
#import parameters
#import quads
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
// Four sums of each lane for each image: forward those of its turns, backward those of its quad.
var<workgroup> shares: array<vec4<f32>, IMAGES * WORKGROUP>;
// Outputs that lanes make at a time, and times that takes for the most outputs.
const ROWS = WORKGROUP / SHARE;
const TURNS = (max(FC1_LEN, max(FC2_LEN, CLASSES)) + ROWS - 1u) / ROWS;
const_assert TURNS <= 4u;
// Quads of a row that a lane looks ahead, forward.
const AHEAD = max(LOADS / TURNS, 1u);
// Those of each of the lane's rows.
alias Rows = array<array<vec4<f32>, AHEAD>, TURNS>;
// Few images leave room for registers: then the first of these of every layer are asked for before anything else.
const EARLY = IMAGES == 1u;

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

// The value number `at` of a map.
fn value(map: u32, at: u32) -> f32 {
    if map == LAST {
        return logits[at];
    }
    return maps[map + at / 4u][at % 4u];
}

// Quads of the lane's rows, from one on.
fn rows_from(lane: u32, first: u32, inputs: u32, outputs: u32, weight: u32) -> Rows {
    var loaded: Rows;
    for (var t = 0u; t < TURNS; t++) {
        if t * ROWS < outputs {
            let row = weight / 4u + min(t * ROWS + lane / SHARE, outputs - 1u) * inputs;
            for (var a = 0u; a < AHEAD; a++) {
                loaded[t][a] = quads[row + min(first + a * SHARE, inputs - 1u)];
            }
        }
    }
    return loaded;
}

// A layer's outputs y from its inputs x, `inputs` quads of them. For all lanes to call at once.
fn forward(
    lane: u32,
    x: u32,
    inputs: u32,
    y: u32,
    outputs: u32,
    weight: u32,
    bias: u32,
    brought: Rows,
) {
    let part = lane % SHARE;
    // Of each image, by turn.
    var sums: array<vec4<f32>, IMAGES>;
    for (var t = 0u; t < TURNS; t++) {
        // What reaches past the last output makes that one again, and is dropped.
        let value = parameters[bias + min(t * ROWS + lane / SHARE, outputs - 1u)];
        for (var b = 0u; b < IMAGES; b++) {
            sums[b][t] = select(0.0, value, part == 0u);
        }
    }
    var loaded = brought;
    for (var first = part; first < inputs; first += AHEAD * SHARE) {
        if !EARLY || first != part {
            loaded = rows_from(lane, first, inputs, outputs, weight);
        }
        for (var a = 0u; a < AHEAD; a++) {
            let i = first + a * SHARE;
            if i < inputs {
                for (var b = 0u; b < IMAGES; b++) {
                    let values = maps[x + b * inputs + i];
                    for (var t = 0u; t < TURNS; t++) {
                        sums[b][t] += dot(values, loaded[t][a]);
                    }
                }
            }
        }
    }
    for (var b = 0u; b < IMAGES; b++) {
        shares[b * WORKGROUP + lane] = sums[b];
    }
    workgroupBarrier();
    for (var at = lane; at < IMAGES * outputs; at += WORKGROUP) {
        let o = at % outputs;
        let first = at / outputs * WORKGROUP + o % ROWS * SHARE;
        var sum = 0.0;
        for (var n = 0u; n < SHARE; n++) {
            sum += shares[first + n][o / ROWS];
        }
        if y == LAST {
            logits[at] = sum;
        } else {
            maps[y + at / 4u][at % 4u] = activate(sum);
        }
    }
    workgroupBarrier();
}

// Puts a layer's outputs where the weights' gradients find them.
fn keep(lane: u32, first_image: u32, map: u32, len: u32, to: u32) {
    for (var at = lane; at < IMAGES * len; at += WORKGROUP) {
        if first_image + at / len < batch.count {
            workspace[to + first_image * len + at] = value(map, at);
        }
    }
}

// The gradient of a layer's inputs x, `inputs` quads of them, from that of its outputs y. It takes the place of x,
// and is kept. Through ReLU, but for pool2, whose ReLU stands before the pool. For all lanes to call at once.
fn backward(
    lane: u32,
    first_image: u32,
    x: u32,
    inputs: u32,
    y: u32,
    outputs: u32,
    weight: u32,
    to: u32,
) {
    // The lane's quad, and which of the outputs it sums over: every `parts`-th.
    let i = lane % inputs;
    let part = lane / inputs;
    let parts = WORKGROUP / inputs;
    var sums: array<vec4<f32>, IMAGES>;
    for (var first = select(outputs, part, part < parts); first < outputs; first += parts * LOADS) {
        var loaded: array<vec4<f32>, LOADS>;
        for (var a = 0u; a < LOADS; a++) {
            loaded[a] = quads[weight / 4u + min(first + a * parts, outputs - 1u) * inputs + i];
        }
        for (var a = 0u; a < LOADS; a++) {
            let o = first + a * parts;
            if o < outputs {
                for (var b = 0u; b < IMAGES; b++) {
                    sums[b] += value(y, b * outputs + o) * loaded[a];
                }
            }
        }
    }
    for (var b = 0u; b < IMAGES; b++) {
        shares[b * WORKGROUP + lane] = sums[b];
    }
    workgroupBarrier();
    for (var at = lane; at < IMAGES * 4u * inputs; at += WORKGROUP) {
        let quad = x + at / 4u;
        let first = at / (4u * inputs) * WORKGROUP + at / 4u % inputs;
        var sum = 0.0;
        for (var n = 0u; n < parts; n++) {
            sum += shares[first + n * inputs][at % 4u];
        }
        let gradient = select(activate_backward(maps[quad][at % 4u], sum), sum, x == POOL2_MAP);
        maps[quad][at % 4u] = gradient;
        if first_image + at / (4u * inputs) < batch.count {
            workspace[to + first_image * 4u * inputs + at] = gradient;
        }
    }
    workgroupBarrier();
}
