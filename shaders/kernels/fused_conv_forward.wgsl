// Both convolution blocks of an image, forward: convolution, ReLU and max-pool, twice.
//   conv1[k,i,j] = relu(bias1[k] + sum over c,u,v of x[c,i+u,j+v] * weight1[k,c,u,v])
//   pool1[k,i,j] = max over a,b of conv1[k,2i+a,2j+b], and argmax1, the index of the maximum in its plane
//   conv2, pool2 and argmax2: the same with pool1 as the input
// The outputs of conv1 and conv2 never leave the registers.
//
// images, order, views  the input x [CHANNELS, SIDE, SIDE]: see variants/input/
// parameters  weight1 [FILTERS1, CHANNELS, SIZE, SIZE] at WEIGHT1,  bias1 [FILTERS1] at BIAS1,
//             weight2 [FILTERS2, FILTERS1, SIZE, SIZE] at WEIGHT2,  bias2 [FILTERS2] at BIAS2
// workspace   pool2 [B, FILTERS2, SIDE2, SIDE2] at POOL2; if BACKWARD, also argmax2 at ARGMAX2, and
//             pool1 and argmax1 [B, FILTERS1, SIDE1, SIDE1] at POOL1 and ARGMAX1
//
// One workgroup per image. Workgroup memory holds pool1, followed first by conv1's parameters and one plane
// of x at a time, then by conv2's parameters; those are loaded at the very beginning and have arrived by the
// time pool1 is computed. An invocation computes the pooled values of BLOCK_FILTERS filters at one position:
// for each input plane and row of the filters, 6 loads of the plane, and SIZE weights per filter for 4 * SIZE
// FMAs per filter. Neighbouring invocations compute neighbouring positions, so that a subgroup reads the same
// weights and adjacent values.
//
// Replaces gather, conv_forward (conv1, conv2) and max_pool (pool1, pool2).
// Counterpart: src/cpu/conv_pool_forward.rs

#import shared/grid
#import shared/maximum
#import shared/parameters
#import shared/workspace
#import variants/activation
#import variants/input
#import variants/member

const AREA1 = SIDE1 * SIDE1;
const AREA2 = SIDE2 * SIDE2;
// Tasks of an invocation in each block: positions times blocks of filters.
const TASKS1 = AREA1 * ((FILTERS1 + BLOCK_FILTERS - 1u) / BLOCK_FILTERS);
const TASKS2 = AREA2 * ((FILTERS2 + BLOCK_FILTERS - 1u) / BLOCK_FILTERS);
// Values of a row of x that a pooling window needs for one row of the filter.
const ROW_SEGMENT = SIZE + 1u;

// The weight and bias of each convolution are adjacent in the arena.
const PARAMETERS1 = FILTERS1 * CHANNELS * SIZE * SIZE + FILTERS1;
const PARAMETERS2 = FILTERS2 * FILTERS1 * SIZE * SIZE + FILTERS2;
const_assert BIAS1 + FILTERS1 == WEIGHT1 + PARAMETERS1 && BIAS2 + FILTERS2 == WEIGHT2 + PARAMETERS2;
// Parameters of conv2 that an invocation loads.
const PARAMETERS_PER_LANE = (PARAMETERS2 + WORKGROUP - 1u) / WORKGROUP;

// pool1, followed by conv1's parameters and a plane of x, or by conv2's parameters.
var<workgroup> scratch: array<f32, FILTERS1 * AREA1 + max(PARAMETERS1 + SIDE * SIDE, PARAMETERS2)>;
const PARAMETERS_START = FILTERS1 * AREA1;
const X_START = PARAMETERS_START + PARAMETERS1;

// The four values of a pool's window, row by row.
alias Window = array<f32, 4>;

@compute @workgroup_size(WORKGROUP)
fn fused_conv_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let count = select_member(group.z);
    let image = workgroup_index(group, groups);
    if image >= count {
        return;
    }

    var parameters2: array<f32, PARAMETERS_PER_LANE>;
    for (var n = 0u; n < PARAMETERS_PER_LANE; n++) {
        parameters2[n] = parameters[arena_start + WEIGHT2 + min(n * WORKGROUP + lane, PARAMETERS2 - 1u)];
    }
    for (var i = lane; i < PARAMETERS1; i += WORKGROUP) {
        scratch[PARAMETERS_START + i] = parameters[arena_start + WEIGHT1 + i];
    }

    for (var first = 0u; first < TASKS1; first += WORKGROUP) {
        let task = first + lane;
        let position = task % AREA1;
        let first_filter = task / AREA1 * BLOCK_FILTERS;
        var windows: array<Window, BLOCK_FILTERS>;
        for (var c = 0u; c < CHANNELS; c++) {
            // A single plane is loaded only once.
            if CHANNELS > 1u || first == 0u {
                workgroupBarrier();
                load_plane_of_x(image, c, lane);
                workgroupBarrier();
            }
            if task < TASKS1 {
                let corner = X_START + position / SIDE1 * 2u * SIDE + position % SIDE1 * 2u;
                add_plane(&windows, corner, SIDE, first_filter, FILTERS1, CHANNELS, c);
            }
        }
        for (var k = 0u; k < BLOCK_FILTERS; k++) {
            let filter_index = first_filter + k;
            if task < TASKS1 && filter_index < FILTERS1 {
                let index = filter_index * AREA1 + position;
                let pooled = pool(windows[k], scratch[PARAMETERS_START + PARAMETERS1 - FILTERS1 + filter_index]);
                scratch[index] = pooled.value;
                if BACKWARD {
                    let in_batch = workspace_start + image * FILTERS1 * AREA1 + index;
                    workspace[POOL1 + in_batch] = pooled.value;
                    workspace[ARGMAX1 + in_batch] = index_in_plane(pooled.argmax, position, SIDE1);
                }
            }
        }
    }
    workgroupBarrier();
    for (var n = 0u; n < PARAMETERS_PER_LANE; n++) {
        let i = n * WORKGROUP + lane;
        if i < PARAMETERS2 {
            scratch[PARAMETERS_START + i] = parameters2[n];
        }
    }
    workgroupBarrier();

    for (var task = lane; task < TASKS2; task += WORKGROUP) {
        let position = task % AREA2;
        let first_filter = task / AREA2 * BLOCK_FILTERS;
        var windows: array<Window, BLOCK_FILTERS>;
        for (var c = 0u; c < FILTERS1; c++) {
            let corner = c * AREA1 + position / SIDE2 * 2u * SIDE1 + position % SIDE2 * 2u;
            add_plane(&windows, corner, SIDE1, first_filter, FILTERS2, FILTERS1, c);
        }
        for (var k = 0u; k < BLOCK_FILTERS; k++) {
            let filter_index = first_filter + k;
            if filter_index < FILTERS2 {
                let index = (image * FILTERS2 + filter_index) * AREA2 + position;
                let pooled = pool(windows[k], scratch[PARAMETERS_START + PARAMETERS2 - FILTERS2 + filter_index]);
                workspace[workspace_start + POOL2 + index] = pooled.value;
                if BACKWARD {
                    workspace[workspace_start + ARGMAX2 + index] = index_in_plane(pooled.argmax, position, SIDE2);
                }
            }
        }
    }
}

// Loads a plane of the input into workgroup memory.
fn load_plane_of_x(image: u32, channel: u32, lane: u32) {
    for (var i = lane; i < SIDE * SIDE; i += WORKGROUP) {
        scratch[X_START + i] = input_at(image, channel, i / SIDE, i % SIDE);
    }
}

// Adds the terms of input plane c to each filter's window. `corner` is the index in `scratch` of the first
// value that the window needs, and `width` the length of the plane's rows. A block that extends past the last
// filter computes the last filter again; the result is dropped.
fn add_plane(
    windows: ptr<function, array<Window, BLOCK_FILTERS>>,
    corner: u32,
    width: u32,
    first_filter: u32,
    filters: u32,
    planes: u32,
    c: u32,
) {
    var upper = load_row_segment(corner);
    for (var u = 0u; u < SIZE; u++) {
        var lower = load_row_segment(corner + (u + 1u) * width);
        for (var k = 0u; k < BLOCK_FILTERS; k++) {
            let filter_index = min(first_filter + k, filters - 1u);
            let row = PARAMETERS_START + ((filter_index * planes + c) * SIZE + u) * SIZE;
            for (var v = 0u; v < SIZE; v++) {
                let weight = scratch[row + v];
                (*windows)[k][0] += upper[v] * weight;
                (*windows)[k][1] += upper[v + 1u] * weight;
                (*windows)[k][2] += lower[v] * weight;
                (*windows)[k][3] += lower[v + 1u] * weight;
            }
        }
        upper = lower;
    }
}

// A segment of a row in workgroup memory.
fn load_row_segment(start: u32) -> array<f32, ROW_SEGMENT> {
    var values: array<f32, ROW_SEGMENT>;
    for (var i = 0u; i < ROW_SEGMENT; i++) {
        values[i] = scratch[start + i];
    }
    return values;
}

struct Pooled {
    value: f32,
    // Index in the window, 0 to 3.
    argmax: u32,
}

// The maximum of a window after bias and ReLU.
fn pool(window: Window, bias: f32) -> Pooled {
    var values = window;
    var best = Pooled(activate(values[0] + bias), 0u);
    for (var i = 1u; i < 4u; i++) {
        let value = activate(values[i] + bias);
        if is_new_maximum(value, best.value) {
            best = Pooled(value, i);
        }
    }
    return best;
}

// The index in the unpooled plane of value number `argmax` of the window at a position of the pooled plane,
// which has `side` rows and columns; as an f32, which represents it exactly.
fn index_in_plane(argmax: u32, position: u32, side: u32) -> f32 {
    let row = position / side * 2u + argmax / 2u;
    let column = position % side * 2u + argmax % 2u;
    return f32(row * side * 2u + column);
}
