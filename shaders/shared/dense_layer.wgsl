// A dense layer for the IMAGES images of a workgroup, whose activations are in workgroup memory as vec4s:
//   y[o]  = relu(bias[o] + sum over i of weight[o,i] * x[i])
//   dx[i] = sum over o of weight[o,i] * dy[o], through ReLU
//
// Each loaded weight is used IMAGES times. Weights are loaded four at a time, and LOADS vec4s are loaded
// before the first is used, to hide load latency. Forward, SHARE invocations compute up to TURNS outputs
// together; backward, WORKGROUP / inputs invocations compute the gradient of a vec4 of inputs together.
// Neighbouring invocations read neighbouring vec4s of a row, and the partial sums of an output or an input
// are added in order.

#import shared/workspace
#import variants/activation
#import variants/member
#import variants/parameters/vec4

// Four sums of each invocation for each image: forward those of its turns, backward those of its vec4.
var<workgroup> shares: array<vec4<f32>, IMAGES * WORKGROUP>;
// Outputs computed at a time, and the number of turns that the widest layer takes.
const ROWS = WORKGROUP / SHARE;
const TURNS = (max(FC1_LEN, max(FC2_LEN, CLASSES)) + ROWS - 1u) / ROWS;
const_assert TURNS <= 4u;
// vec4s of a row that are loaded ahead, forward.
const AHEAD = max(LOADS / TURNS, 1u);
// The vec4s loaded ahead of each of the invocation's rows.
alias Rows = array<array<vec4<f32>, AHEAD>, TURNS>;
// With one image there are registers left to load the first rows of all layers at the very beginning.
const EARLY = IMAGES == 1u;

// The value at an index of a layer's activations.
fn value(layer: u32, index: u32) -> f32 {
    if layer == LAST {
        return logits[index];
    }
    return activations[layer + index / 4u][index % 4u];
}

// vec4s of the invocation's rows, from the first-th on.
fn load_rows(lane: u32, first: u32, inputs: u32, outputs: u32, weight: u32) -> Rows {
    var loaded: Rows;
    for (var t = 0u; t < TURNS; t++) {
        if t * ROWS < outputs {
            let row = (arena_start + weight) / 4u + min(t * ROWS + lane / SHARE, outputs - 1u) * inputs;
            for (var a = 0u; a < AHEAD; a++) {
                loaded[t][a] = parameters[row + min(first + a * SHARE, inputs - 1u)];
            }
        }
    }
    return loaded;
}

// Computes a layer's outputs y from its inputs x, which are `inputs` vec4s. All invocations must call this.
fn forward(
    lane: u32,
    x: u32,
    inputs: u32,
    y: u32,
    outputs: u32,
    weight: u32,
    bias: u32,
    first_rows: Rows,
) {
    let part = lane % SHARE;
    // Component t is the sum of turn t.
    var sums: array<vec4<f32>, IMAGES>;
    for (var t = 0u; t < TURNS; t++) {
        // A turn past the last output computes the last output again; the result is dropped.
        let value = parameter(bias + min(t * ROWS + lane / SHARE, outputs - 1u));
        for (var b = 0u; b < IMAGES; b++) {
            sums[b][t] = select(0.0, value, part == 0u);
        }
    }
    var loaded = first_rows;
    for (var first = part; first < inputs; first += AHEAD * SHARE) {
        if !EARLY || first != part {
            loaded = load_rows(lane, first, inputs, outputs, weight);
        }
        for (var a = 0u; a < AHEAD; a++) {
            let i = first + a * SHARE;
            if i < inputs {
                for (var b = 0u; b < IMAGES; b++) {
                    let values = activations[x + b * inputs + i];
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
    for (var index = lane; index < IMAGES * outputs; index += WORKGROUP) {
        let o = index % outputs;
        let first = index / outputs * WORKGROUP + o % ROWS * SHARE;
        var sum = 0.0;
        for (var n = 0u; n < SHARE; n++) {
            sum += shares[first + n][o / ROWS];
        }
        if y == LAST {
            logits[index] = sum;
        } else {
            activations[y + index / 4u][index % 4u] = activate(sum);
        }
    }
    workgroupBarrier();
}

// Computes the gradient of a layer's inputs x, which are `inputs` vec4s, from the gradient of its outputs y.
// It replaces x in workgroup memory and is stored at the workspace offset `to`. It goes through ReLU, except
// at pool2, where ReLU comes before the pool. All invocations must call this.
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
    // The invocation's vec4, and the outputs it sums over: every `parts`-th.
    let i = lane % inputs;
    let part = lane / inputs;
    let parts = WORKGROUP / inputs;
    var sums: array<vec4<f32>, IMAGES>;
    for (var first = select(outputs, part, part < parts); first < outputs; first += parts * LOADS) {
        var loaded: array<vec4<f32>, LOADS>;
        for (var a = 0u; a < LOADS; a++) {
            let row = (arena_start + weight) / 4u + min(first + a * parts, outputs - 1u) * inputs;
            loaded[a] = parameters[row + i];
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
    for (var index = lane; index < IMAGES * 4u * inputs; index += WORKGROUP) {
        let vector = x + index / 4u;
        let first = index / (4u * inputs) * WORKGROUP + index / 4u % inputs;
        var sum = 0.0;
        for (var n = 0u; n < parts; n++) {
            sum += shares[first + n * inputs][index % 4u];
        }
        let gradient = select(activate_backward(activations[vector][index % 4u], sum), sum, x == POOL2_START);
        activations[vector][index % 4u] = gradient;
        if first_image + index / (4u * inputs) < batch.count {
            workspace[workspace_start + to + first_image * 4u * inputs + index] = gradient;
        }
    }
    workgroupBarrier();
}
