// Both convolution blocks of an image, forward: convolution, ReLU and max-pool in one, twice.
//   conv1[k,i,j] = relu(bias1[k] + sum over c,u,v of x[c,i+u,j+v] * weight1[k,c,u,v])
//   pool1[k,i,j] = max over a,b of conv1[k,2i+a,2j+b], and argmax1, where the maximum stands in its plane
//   conv2, pool2 and argmax2: the same of pool1
// No value of conv1 or conv2 leaves the registers.
//
// images, order, views  the input x [CHANNELS, SIDE, SIDE] (see inputs/)
// parameters  weight1 [FILTERS1, CHANNELS, SIZE, SIZE] at WEIGHT1,  bias1 [FILTERS1] at BIAS1,
//             weight2 [FILTERS2, FILTERS1, SIZE, SIZE] at WEIGHT2,  bias2 [FILTERS2] at BIAS2
// workspace   pool1 and argmax1 [B, FILTERS1, SIDE1, SIDE1] at POOL1 and ARGMAX1, where they are needed backward,
//             pool2 and argmax2 [B, FILTERS2, SIDE2, SIDE2] at POOL2 and ARGMAX2 likewise, pool2 always
//
// A workgroup takes one image. Workgroup memory holds pool1, and beside it first conv1's parameters and one plane
// of x at a time, then conv2's parameters; these are asked for before anything else, and are there by the time
// that pool1 is made. A lane makes the pooled values of BLOCK_FILTERS filters at one place: for each input plane
// and row of the filters, 6 loads of the plane and SIZE weights a filter for 4 * SIZE FMAs a filter. Neighbours
// make neighbouring places, so that a wave reads the same weights and adjoining values.

#import activation
#import batch
#import grid
#import input
#import maximum
#import parameters
#import workspace

const AREA1 = SIDE1 * SIDE1;
const AREA2 = SIDE2 * SIDE2;
// What lanes make of each block: places, times blocks of filters.
const TASKS1 = AREA1 * ((FILTERS1 + BLOCK_FILTERS - 1u) / BLOCK_FILTERS);
const TASKS2 = AREA2 * ((FILTERS2 + BLOCK_FILTERS - 1u) / BLOCK_FILTERS);
// Values of a row that a window of 2 sees through the filter.
const STRETCH = SIZE + 1u;

// Each convolution's weight and bias stand together.
const PARAMETERS1 = FILTERS1 * CHANNELS * SIZE * SIZE + FILTERS1;
const PARAMETERS2 = FILTERS2 * FILTERS1 * SIZE * SIZE + FILTERS2;
const_assert BIAS1 + FILTERS1 == WEIGHT1 + PARAMETERS1 && BIAS2 + FILTERS2 == WEIGHT2 + PARAMETERS2;
// Of conv2's parameters, those that a lane brings.
const BROUGHT = (PARAMETERS2 + WORKGROUP - 1u) / WORKGROUP;

// pool1, and beside it conv1's parameters and a plane of x, or conv2's parameters.
var<workgroup> maps: array<f32, FILTERS1 * AREA1 + max(PARAMETERS1 + SIDE * SIDE, PARAMETERS2)>;
const BESIDE = FILTERS1 * AREA1;
const X_MAP = BESIDE + PARAMETERS1;

// The four values of a pool's window, row by row.
alias Window = array<f32, 4>;

@compute @workgroup_size(WORKGROUP)
fn fused_conv_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = workgroup_index(group, groups);
    if image >= batch.count {
        return;
    }

    var parameters2: array<f32, BROUGHT>;
    for (var n = 0u; n < BROUGHT; n++) {
        parameters2[n] = parameters[WEIGHT2 + min(n * WORKGROUP + lane, PARAMETERS2 - 1u)];
    }
    for (var at = lane; at < PARAMETERS1; at += WORKGROUP) {
        maps[BESIDE + at] = parameters[WEIGHT1 + at];
    }

    for (var first = 0u; first < TASKS1; first += WORKGROUP) {
        let task = first + lane;
        let place = task % AREA1;
        let first_filter = task / AREA1 * BLOCK_FILTERS;
        var windows: array<Window, BLOCK_FILTERS>;
        for (var c = 0u; c < CHANNELS; c++) {
            // A single plane stays where it is.
            if CHANNELS > 1u || first == 0u {
                workgroupBarrier();
                stage(image, c, lane);
                workgroupBarrier();
            }
            if task < TASKS1 {
                let corner = X_MAP + place / SIDE1 * 2u * SIDE + place % SIDE1 * 2u;
                add_plane(&windows, corner, SIDE, first_filter, FILTERS1, CHANNELS, c);
            }
        }
        for (var k = 0u; k < BLOCK_FILTERS; k++) {
            let filter_index = first_filter + k;
            if task < TASKS1 && filter_index < FILTERS1 {
                let at = filter_index * AREA1 + place;
                let pooled = pool(windows[k], maps[BESIDE + PARAMETERS1 - FILTERS1 + filter_index]);
                maps[at] = pooled.value;
                if BACKWARD {
                    let of_image = image * FILTERS1 * AREA1 + at;
                    workspace[POOL1 + of_image] = pooled.value;
                    workspace[ARGMAX1 + of_image] = place_of(pooled.argmax, place, SIDE1);
                }
            }
        }
    }
    workgroupBarrier();
    for (var n = 0u; n < BROUGHT; n++) {
        let at = n * WORKGROUP + lane;
        if at < PARAMETERS2 {
            maps[BESIDE + at] = parameters2[n];
        }
    }
    workgroupBarrier();

    for (var task = lane; task < TASKS2; task += WORKGROUP) {
        let place = task % AREA2;
        let first_filter = task / AREA2 * BLOCK_FILTERS;
        var windows: array<Window, BLOCK_FILTERS>;
        for (var c = 0u; c < FILTERS1; c++) {
            let corner = c * AREA1 + place / SIDE2 * 2u * SIDE1 + place % SIDE2 * 2u;
            add_plane(&windows, corner, SIDE1, first_filter, FILTERS2, FILTERS1, c);
        }
        for (var k = 0u; k < BLOCK_FILTERS; k++) {
            let filter_index = first_filter + k;
            if filter_index < FILTERS2 {
                let at = (image * FILTERS2 + filter_index) * AREA2 + place;
                let pooled = pool(windows[k], maps[BESIDE + PARAMETERS2 - FILTERS2 + filter_index]);
                workspace[POOL2 + at] = pooled.value;
                if BACKWARD {
                    workspace[ARGMAX2 + at] = place_of(pooled.argmax, place, SIDE2);
                }
            }
        }
    }
}

// Lays a plane of the input into workgroup memory.
fn stage(image: u32, channel: u32, lane: u32) {
    for (var at = lane; at < SIDE * SIDE; at += WORKGROUP) {
        maps[X_MAP + at] = input_at(image, channel, at / SIDE, at % SIDE);
    }
}

// Adds to each filter's window what input plane c gives it; `corner` is where the plane's values begin that
// the window sees, and `width` the length of the plane's rows. The last block may reach past the last filter: it
// computes that one again, to be dropped.
fn add_plane(
    windows: ptr<function, array<Window, BLOCK_FILTERS>>,
    corner: u32,
    width: u32,
    first_filter: u32,
    filters: u32,
    planes: u32,
    c: u32,
) {
    var upper = stretch(corner);
    for (var u = 0u; u < SIZE; u++) {
        var lower = stretch(corner + (u + 1u) * width);
        for (var k = 0u; k < BLOCK_FILTERS; k++) {
            let filter_index = min(first_filter + k, filters - 1u);
            let row = BESIDE + ((filter_index * planes + c) * SIZE + u) * SIZE;
            for (var v = 0u; v < SIZE; v++) {
                let weight = maps[row + v];
                (*windows)[k][0] += upper[v] * weight;
                (*windows)[k][1] += upper[v + 1u] * weight;
                (*windows)[k][2] += lower[v] * weight;
                (*windows)[k][3] += lower[v + 1u] * weight;
            }
        }
        upper = lower;
    }
}

// A stretch of a row in workgroup memory.
fn stretch(at: u32) -> array<f32, STRETCH> {
    var values: array<f32, STRETCH>;
    for (var i = 0u; i < STRETCH; i++) {
        values[i] = maps[at + i];
    }
    return values;
}

struct Pooled {
    value: f32,
    // 0 to 3
    argmax: u32,
}

// The maximum of a window after bias and ReLU.
fn pool(window: Window, bias: f32) -> Pooled {
    var values = window;
    var best = Pooled(activate(values[0] + bias), 0u);
    for (var i = 1u; i < 4u; i++) {
        let value = activate(values[i] + bias);
        if takes_over(value, best.value) {
            best = Pooled(value, i);
        }
    }
    return best;
}

// Where the value number `argmax` of a window stands in the plane that is pooled to a side of `side`, as an
// f32, which holds it exactly.
fn place_of(argmax: u32, place: u32, side: u32) -> f32 {
    let row = place / side * 2u + argmax / 2u;
    let column = place % side * 2u + argmax % 2u;
    return f32(row * side * 2u + column);
}
