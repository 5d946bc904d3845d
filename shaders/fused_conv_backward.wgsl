// Both convolution blocks of an image, backward. Of a pool's window only the maximum has a gradient, so all
// sums go over pooled places p, with (r, s) = argmax[p] and g = dpool[p] through ReLU:
//   dweight[k,c,u,v] = sum over p of g[k,p] * x[c, r+u, s+v]          the paper's first proof
//   dbias[k]         = sum over p of g[k,p]
//   dpool1[c,i,j]    = sum over k,p of g2[k,p] * weight2[k,c, i-r, j-s]   its second proof
// where i-r and j-s are places in the filter. x is the input for conv1, and pool1 for conv2.
//
// images, order, views  the input [CHANNELS, SIDE, SIDE] (see inputs/)
// workspace   pool1 and argmax1 [B, FILTERS1, SIDE1, SIDE1] at POOL1 and ARGMAX1,  pool2, argmax2 and dpool2
//             [B, FILTERS2, SIDE2, SIDE2] at POOL2, ARGMAX2 and DPOOL2,
//             partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS, each laid out as the arena is:
//             dweight1 at WEIGHT1, dbias1 at BIAS1, dweight2 at WEIGHT2, dbias2 at BIAS2
// parameters  weight2 [FILTERS2, FILTERS1, SIZE, SIZE] at WEIGHT2
//
// A workgroup takes a chunk of the batch, every CHUNKS-th image, and PLANES planes of pool1, of which SPLIT
// workgroups take all: to each plane belong the weights of conv2 that read it, and the filter of conv1 that made
// it. It leaves its part of one partial sum. A filter row is one (c, u) of a filter; a lane keeps the sums of two
// filter rows in registers for the whole chunk, one of conv2, and one of conv1 over one row of pooled places. In
// between, a lane makes dpool1 at one (i, j) for its planes: of the windows of pool2 only 3 × 3 can reach it. What
// comes from far away is asked for before what is there already is worked on.

#import activation
#import batch
#import full_convolution
#import grid
#import input
#import parameters
#import workspace

const AREA1 = SIDE1 * SIDE1;
const AREA2 = SIDE2 * SIDE2;
const FILTER = SIZE * SIZE;
const PLANES = FILTERS1 / SPLIT;
// Filter rows of both convolutions that belong to the planes.
const ROWS1 = PLANES * SIZE;
const ROWS2 = FILTERS2 * PLANES * SIZE;
// Rows of pooled places that conv1's sums are dealt out by.
const PIECES = SIDE1;
// The sums of a filter row: of its weights, and of the bias.
alias Row = array<f32, SUMS>;
const SUMS = SIZE + 1u;
// Values of a plane of x, and weights of conv2, that a lane brings.
const PIXELS_A_LANE = (SIDE * SIDE + WORKGROUP - 1u) / WORKGROUP;
const WEIGHTS_A_LANE = (FILTERS2 * PLANES * FILTER + WORKGROUP - 1u) / WORKGROUP;
// Rows of maps have one more column, so that what neighbours read does not meet in the same bank of memory.
const PITCH = SIDE + 1u;
const PITCH1 = SIDE1 + 1u;

const_assert PLANES * SPLIT == FILTERS1 && ROWS2 <= WORKGROUP && PIECES * ROWS1 <= WORKGROUP && AREA1 <= WORKGROUP;

// The planes of pool1 [SIDE1, PITCH1, PLANES], then their weights of conv2 [FILTERS2, PLANES, SIZE, SIZE], then a
// plane of x [SIDE, PITCH], at last sums of conv1 to be added up.
var<workgroup> maps: array<f32, max(
    max(SIDE1 * PITCH1 * PLANES, FILTERS2 * PLANES * FILTER),
    max(SIDE * PITCH, PIECES * ROWS1 * SUMS),
)>;

@compute @workgroup_size(WORKGROUP)
fn fused_conv_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup_index(group, groups);
    let chunk = index / SPLIT;
    let first_plane = index % SPLIT * PLANES;
    if chunk >= min(CHUNKS, batch.count) {
        return;
    }
    let has_place = lane < AREA1;
    // The lane's filter rows: of conv2, and of conv1 with a row of pooled places.
    let row2 = lane;
    let row1 = lane % ROWS1;
    let piece = lane / ROWS1;

    var weight2: array<f32, WEIGHTS_A_LANE>;
    for (var n = 0u; n < WEIGHTS_A_LANE; n++) {
        let at = min(n * WORKGROUP + lane, FILTERS2 * PLANES * FILTER - 1u);
        let k = at / (PLANES * FILTER);
        weight2[n] = parameters[WEIGHT2 + (k * FILTERS1 + first_plane) * FILTER + at % (PLANES * FILTER)];
    }

    var sums2: Row;
    var sums1: array<Row, CHANNELS>;
    for (var image = chunk; image < batch.count; image += CHUNKS) {
        take_pools(image, first_plane, lane);
        var x = plane_of_x(image, 0u, lane);
        var argmax1: array<u32, PLANES>;
        for (var c = 0u; c < PLANES; c++) {
            let plane = (image * FILTERS1 + first_plane + c) * AREA1;
            argmax1[c] = u32(workspace[ARGMAX1 + plane + min(lane, AREA1 - 1u)]);
        }
        workgroupBarrier();

        if row2 < ROWS2 {
            let corner = row2 % SIZE * PITCH1 * PLANES + row2 / SIZE % PLANES;
            sums2 = with_maxima(sums2, row2 / ROWS1 * AREA2, AREA2, corner, PLANES);
        }
        var pool1: array<f32, PLANES>;
        for (var c = 0u; c < PLANES; c++) {
            if has_place {
                pool1[c] = maps[place1(lane) * PLANES + c];
            }
        }
        workgroupBarrier();
        for (var n = 0u; n < WEIGHTS_A_LANE; n++) {
            let at = n * WORKGROUP + lane;
            if at < FILTERS2 * PLANES * FILTER {
                maps[at] = weight2[n];
            }
        }
        workgroupBarrier();

        var dpool1 = full_convolution(lane);
        workgroupBarrier();

        for (var c = 0u; c < PLANES; c++) {
            if has_place {
                let row = argmax1[c] / (2u * SIDE1);
                let column = argmax1[c] % (2u * SIDE1);
                let gradient = activate_backward(pool1[c], dpool1[c]);
                maxima[c * AREA1 + lane] = Maximum(gradient, row * PITCH + column);
            }
        }
        for (var c = 0u; c < CHANNELS; c++) {
            for (var n = 0u; n < PIXELS_A_LANE; n++) {
                let at = n * WORKGROUP + lane;
                if at < SIDE * SIDE {
                    maps[at / SIDE * PITCH + at % SIDE] = x[n];
                }
            }
            workgroupBarrier();
            if c + 1u < CHANNELS {
                x = plane_of_x(image, c + 1u, lane);
            }
            if piece < PIECES {
                let first = row1 / SIZE * AREA1 + piece * SIDE1;
                sums1[c] = with_maxima(sums1[c], first, SIDE1, row1 % SIZE * PITCH, 1u);
            }
            workgroupBarrier();
        }
    }

    let partial = PARTIALS + chunk * PARTIAL_LEN;
    if row2 < ROWS2 {
        let k = row2 / ROWS1;
        let at = WEIGHT2 + (k * FILTERS1 + first_plane) * FILTER + row2 % ROWS1 * SIZE;
        for (var v = 0u; v < SIZE; v++) {
            workspace[partial + at + v] = sums2[v];
        }
        // Every row has the bias's sum.
        if row2 % ROWS1 == 0u && first_plane == 0u {
            workspace[partial + BIAS2 + k] = sums2[SIZE];
        }
    }
    // The pieces of conv1's sums are added up, in order, plane by plane of x.
    for (var c = 0u; c < CHANNELS; c++) {
        if piece < PIECES {
            for (var v = 0u; v < SUMS; v++) {
                maps[lane * SUMS + v] = sums1[c][v];
            }
        }
        workgroupBarrier();
        if lane < ROWS1 * SUMS {
            let row = lane / SUMS;
            let v = lane % SUMS;
            let k = first_plane + row / SIZE;
            var sum = 0.0;
            for (var n = 0u; n < PIECES; n++) {
                sum += maps[n * ROWS1 * SUMS + lane];
            }
            if v < SIZE {
                workspace[partial + WEIGHT1 + ((k * CHANNELS + c) * SIZE + row % SIZE) * SIZE + v] = sum;
            } else if row % SIZE == 0u && c == 0u {
                workspace[partial + BIAS1 + k] = sum;
            }
        }
        workgroupBarrier();
    }
}

// Sums of a filter row, with what `count` maxima from `first` on add to them; `corner` is where in `maps` the row's
// first input stands for a maximum at place 0, and `step` how far its inputs are apart.
fn with_maxima(sums: Row, first: u32, count: u32, corner: u32, step: u32) -> Row {
    var row = sums;
    for (var p = first; p < first + count; p++) {
        let maximum = maxima[p];
        let at = corner + (maximum.place & ((1u << WINDOW_BIT) - 1u));
        for (var v = 0u; v < SIZE; v++) {
            row[v] += maximum.gradient * maps[at + v * step];
        }
        row[SIZE] += maximum.gradient;
    }
    return row;
}

// Where the lane's place of pool1 stands in a plane, by rows of PITCH1.
fn place1(lane: u32) -> u32 {
    return lane / SIDE1 * PITCH1 + lane % SIDE1;
}

// Lays planes of pool1 of an image, and the maxima of pool2, into workgroup memory.
fn take_pools(image: u32, first_plane: u32, lane: u32) {
    for (var at = lane; at < PLANES * AREA1; at += WORKGROUP) {
        let value = workspace[POOL1 + (image * FILTERS1 + first_plane) * AREA1 + at];
        maps[place1(at % AREA1) * PLANES + at / AREA1] = value;
    }
    for (var p = lane; p < FILTERS2 * AREA2; p += WORKGROUP) {
        let at = image * FILTERS2 * AREA2 + p;
        let gradient = activate_backward(workspace[POOL2 + at], workspace[DPOOL2 + at]);
        let argmax = u32(workspace[ARGMAX2 + at]);
        let row = argmax / (2u * SIDE2);
        let column = argmax % (2u * SIDE2);
        let in_window = row % 2u * 2u + column % 2u;
        maxima[p] = Maximum(gradient, (row * PITCH1 + column) * PLANES + (in_window << WINDOW_BIT));
    }
}

// The lane's values of a plane of the input.
fn plane_of_x(image: u32, channel: u32, lane: u32) -> array<f32, PIXELS_A_LANE> {
    var values: array<f32, PIXELS_A_LANE>;
    for (var n = 0u; n < PIXELS_A_LANE; n++) {
        let at = min(n * WORKGROUP + lane, SIDE * SIDE - 1u);
        values[n] = input_at(image, channel, at / SIDE, at % SIDE);
    }
    return values;
}
