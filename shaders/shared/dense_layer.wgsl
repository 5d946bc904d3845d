// A dense layer over the IMAGES images of a workgroup, whose maps stand in workgroup memory by quads, four values each:
//   y[o] = relu(bias[o] + sum over i of weight[o,i] * x[i]),   dx[i] = sum over o of weight[o,i] * dy[o], through ReLU
//
// Each weight loaded is used IMAGES times. Weights come from far away: they are loaded a quad at a time, and a lane
// asks for LOADS quads before it uses the first. Forward, SHARE lanes share up to TURNS outputs; backward, as many as
// there are lanes for share the four inputs of a quad. Neighbours read neighbouring quads of a row, and sums of lanes
// that share are added up in order.

#import activation
#import parameters
#import quads
#import workspace

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
