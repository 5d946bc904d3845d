// Both convolution blocks of an image, backward. Only the maximum of a pool's window has a gradient, so all
// sums go over the pooled positions p, with (r, s) = argmax[p] and g = dpool[p] through ReLU:
//   dweight[k,c,u,v] = sum over p of g[k,p] * x[c, r+u, s+v]              the paper's first proof
//   dbias[k]         = sum over p of g[k,p]
//   dpool1[c,i,j]    = sum over k,p of g2[k,p] * weight2[k,c, i-r, j-s]   the paper's second proof
// over the terms with (i-r, j-s) inside the filter. x is the input for conv1, and pool1 for conv2.
//
// images, order, views  the input [CHANNELS, SIDE, SIDE]: see variants/input/
// workspace   pool1 and argmax1 [B, FILTERS1, SIDE1, SIDE1] at POOL1 and ARGMAX1,
//             pool2, argmax2 and dpool2 [B, FILTERS2, SIDE2, SIDE2] at POOL2, ARGMAX2 and DPOOL2
// parameters  weight2 [FILTERS2, FILTERS1, SIZE, SIZE] at WEIGHT2
// partials    [CHUNKS, PARTIAL_LEN]: dweight1 at WEIGHT1, dbias1 at BIAS1, dweight2 at WEIGHT2 and dbias2 at
//             BIAS2 of each chunk that has images
//
// One workgroup takes a chunk of the batch, every CHUNKS-th image, and PLANES planes of pool1, so that SPLIT
// workgroups share the planes of a chunk. A plane belongs to the weights of conv2 that read it and to the
// filter of conv1 that produced it. The workgroup writes its share of one partial sum. A filter row is one
// (c, u) of a filter; an invocation keeps the sums of two filter rows in registers for the whole chunk: one
// of conv2, and one of conv1 over one row of pooled positions. In between, it computes dpool1 at one (i, j)
// for its planes: only 3 × 3 windows of pool2 can reach it. Values from storage are prefetched to hide load
// latency.
//
// Replaces conv_backward_weight (conv1, conv2), conv_backward_input (conv2) and max_pool_backward (pool1, pool2).
// Counterpart: src/cpu/conv_pool_backward.rs

#import shared/full_convolution
#import shared/grid
#import shared/parameters
#import shared/partials
#import shared/workspace
#import variants/activation
#import variants/input
#import variants/member

const AREA1 = SIDE1 * SIDE1;
const AREA2 = SIDE2 * SIDE2;
const FILTER = SIZE * SIZE;
const PLANES = FILTERS1 / SPLIT;
// Filter rows of each convolution that belong to the planes.
const ROWS1 = PLANES * SIZE;
const ROWS2 = FILTERS2 * PLANES * SIZE;
// Rows of pooled positions; each has its own sums of conv1.
const PIECES = SIDE1;
// The sums of a filter row: of its weights, and of the bias.
alias RowSums = array<f32, SUMS>;
const SUMS = SIZE + 1u;
// Values of a plane of x, and weights of conv2, that an invocation loads.
const PIXELS_PER_LANE = (SIDE * SIDE + WORKGROUP - 1u) / WORKGROUP;
const WEIGHTS_PER_LANE = (FILTERS2 * PLANES * FILTER + WORKGROUP - 1u) / WORKGROUP;
// Rows in workgroup memory have one more column, to avoid bank conflicts.
const PITCH = SIDE + 1u;
const PITCH1 = SIDE1 + 1u;

const_assert PLANES * SPLIT == FILTERS1 && ROWS2 <= WORKGROUP && PIECES * ROWS1 <= WORKGROUP && AREA1 <= WORKGROUP;

// In turn: the planes of pool1 [SIDE1, PITCH1, PLANES], their weights of conv2 [FILTERS2, PLANES, SIZE,
// SIZE], a plane of x [SIDE, PITCH], and at the end the sums of conv1 by rows of pooled positions.
var<workgroup> scratch: array<f32, max(
    max(SIDE1 * PITCH1 * PLANES, FILTERS2 * PLANES * FILTER),
    max(SIDE * PITCH, PIECES * ROWS1 * SUMS),
)>;

@compute @workgroup_size(WORKGROUP)
fn fused_conv_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let count = select_member(group.z);
    let index = workgroup_index(group, groups);
    let chunk = index / SPLIT;
    let first_plane = index % SPLIT * PLANES;
    if chunk >= min(CHUNKS, count) {
        return;
    }
    let has_position = lane < AREA1;
    // The invocation's filter rows: of conv2, and of conv1 with a row of pooled positions.
    let row2 = lane;
    let row1 = lane % ROWS1;
    let piece = lane / ROWS1;

    var weight2: array<f32, WEIGHTS_PER_LANE>;
    for (var n = 0u; n < WEIGHTS_PER_LANE; n++) {
        let i = min(n * WORKGROUP + lane, FILTERS2 * PLANES * FILTER - 1u);
        let k = i / (PLANES * FILTER);
        let offset = WEIGHT2 + (k * FILTERS1 + first_plane) * FILTER + i % (PLANES * FILTER);
        weight2[n] = parameters[arena_start + offset];
    }

    var sums2: RowSums;
    var sums1: array<RowSums, CHANNELS>;
    for (var image = chunk; image < count; image += CHUNKS) {
        load_pools(image, first_plane, lane);
        var x = load_plane_of_x(image, 0u, lane);
        var argmax1: array<u32, PLANES>;
        for (var c = 0u; c < PLANES; c++) {
            let plane = (image * FILTERS1 + first_plane + c) * AREA1;
            argmax1[c] = u32(workspace[workspace_start + ARGMAX1 + plane + min(lane, AREA1 - 1u)]);
        }
        workgroupBarrier();

        if row2 < ROWS2 {
            let corner = row2 % SIZE * PITCH1 * PLANES + row2 / SIZE % PLANES;
            sums2 = add_maxima(sums2, row2 / ROWS1 * AREA2, AREA2, corner, PLANES);
        }
        var pool1: array<f32, PLANES>;
        for (var c = 0u; c < PLANES; c++) {
            if has_position {
                pool1[c] = scratch[index_in_plane1(lane) * PLANES + c];
            }
        }
        workgroupBarrier();
        for (var n = 0u; n < WEIGHTS_PER_LANE; n++) {
            let i = n * WORKGROUP + lane;
            if i < FILTERS2 * PLANES * FILTER {
                scratch[i] = weight2[n];
            }
        }
        workgroupBarrier();

        var dpool1 = full_convolution(lane);
        workgroupBarrier();

        for (var c = 0u; c < PLANES; c++) {
            if has_position {
                let row = argmax1[c] / (2u * SIDE1);
                let column = argmax1[c] % (2u * SIDE1);
                let gradient = activate_backward(pool1[c], dpool1[c]);
                maxima[c * AREA1 + lane] = WindowMaximum(gradient, row * PITCH + column);
            }
        }
        for (var c = 0u; c < CHANNELS; c++) {
            for (var n = 0u; n < PIXELS_PER_LANE; n++) {
                let i = n * WORKGROUP + lane;
                if i < SIDE * SIDE {
                    scratch[i / SIDE * PITCH + i % SIDE] = x[n];
                }
            }
            workgroupBarrier();
            if c + 1u < CHANNELS {
                x = load_plane_of_x(image, c + 1u, lane);
            }
            if piece < PIECES {
                let first = row1 / SIZE * AREA1 + piece * SIDE1;
                sums1[c] = add_maxima(sums1[c], first, SIDE1, row1 % SIZE * PITCH, 1u);
            }
            workgroupBarrier();
        }
    }

    let partial = partials_start + chunk * PARTIAL_LEN;
    if row2 < ROWS2 {
        let k = row2 / ROWS1;
        let row = WEIGHT2 + (k * FILTERS1 + first_plane) * FILTER + row2 % ROWS1 * SIZE;
        for (var v = 0u; v < SIZE; v++) {
            partials[partial + row + v] = sums2[v];
        }
        // Every row of the filter has the same sum for the bias; one invocation stores it.
        if row2 % ROWS1 == 0u && first_plane == 0u {
            partials[partial + BIAS2 + k] = sums2[SIZE];
        }
    }
    // The sums of conv1 by rows of pooled positions are added in order, one plane of x at a time.
    for (var c = 0u; c < CHANNELS; c++) {
        if piece < PIECES {
            for (var v = 0u; v < SUMS; v++) {
                scratch[lane * SUMS + v] = sums1[c][v];
            }
        }
        workgroupBarrier();
        if lane < ROWS1 * SUMS {
            let row = lane / SUMS;
            let v = lane % SUMS;
            let k = first_plane + row / SIZE;
            var sum = 0.0;
            for (var n = 0u; n < PIECES; n++) {
                sum += scratch[n * ROWS1 * SUMS + lane];
            }
            if v < SIZE {
                partials[partial + WEIGHT1 + ((k * CHANNELS + c) * SIZE + row % SIZE) * SIZE + v] = sum;
            } else if row % SIZE == 0u && c == 0u {
                partials[partial + BIAS1 + k] = sum;
            }
        }
        workgroupBarrier();
    }
}

// Adds the terms of `count` maxima, from `first` on, to the sums of a filter row. `corner` is the index in
// `scratch` of the row's first input for a maximum at position 0, and `step` the distance between the row's
// inputs.
fn add_maxima(sums: RowSums, first: u32, count: u32, corner: u32, step: u32) -> RowSums {
    var row = sums;
    for (var p = first; p < first + count; p++) {
        let maximum = maxima[p];
        let start = corner + (maximum.position & ((1u << WINDOW_BIT) - 1u));
        for (var v = 0u; v < SIZE; v++) {
            row[v] += maximum.gradient * scratch[start + v * step];
        }
        row[SIZE] += maximum.gradient;
    }
    return row;
}

// The index of the invocation's position of pool1 in a plane with rows of PITCH1.
fn index_in_plane1(lane: u32) -> u32 {
    return lane / SIDE1 * PITCH1 + lane % SIDE1;
}

// Loads planes of pool1 of an image, and the maxima of pool2, into workgroup memory.
fn load_pools(image: u32, first_plane: u32, lane: u32) {
    for (var i = lane; i < PLANES * AREA1; i += WORKGROUP) {
        let value = workspace[workspace_start + POOL1 + (image * FILTERS1 + first_plane) * AREA1 + i];
        scratch[index_in_plane1(i % AREA1) * PLANES + i / AREA1] = value;
    }
    for (var p = lane; p < FILTERS2 * AREA2; p += WORKGROUP) {
        let index = workspace_start + image * FILTERS2 * AREA2 + p;
        let gradient = activate_backward(workspace[POOL2 + index], workspace[DPOOL2 + index]);
        let argmax = u32(workspace[ARGMAX2 + index]);
        let row = argmax / (2u * SIDE2);
        let column = argmax % (2u * SIDE2);
        let in_window = row % 2u * 2u + column % 2u;
        maxima[p] = WindowMaximum(gradient, (row * PITCH1 + column) * PLANES + (in_window << WINDOW_BIT));
    }
}

// The invocation's values of a plane of the input.
fn load_plane_of_x(image: u32, channel: u32, lane: u32) -> array<f32, PIXELS_PER_LANE> {
    var values: array<f32, PIXELS_PER_LANE>;
    for (var n = 0u; n < PIXELS_PER_LANE; n++) {
        let i = min(n * WORKGROUP + lane, SIDE * SIDE - 1u);
        values[n] = input_at(image, channel, i / SIDE, i % SIDE);
    }
    return values;
}
