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
// A workgroup takes a chunk of the batch, every CHUNKS-th image, and leaves one partial sum. A filter row is one
// (c, u) of a filter; a lane keeps SIZE sums of a filter row in registers for the whole chunk, of one or two
// rows of conv2, and of one row of conv1 over a few rows of pooled places. In between, a lane makes dpool1 at
// one (i, j) for all c: of the windows of pool2 only 3 × 3 can reach it.

#import activation
#import batch
#import grid
#import input
#import parameters
#import workspace

const AREA1 = SIDE1 * SIDE1;
const AREA2 = SIDE2 * SIDE2;
const ROWS1 = FILTERS1 * SIZE;
const ROWS2 = FILTERS2 * FILTERS1 * SIZE;
// Rows of conv2 that a lane looks after.
const ROWS2_A_LANE = (ROWS2 + WORKGROUP - 1u) / WORKGROUP;
// Pieces that the pooled places of conv1 are dealt out to, whole rows each.
const PIECES = 7u;
const PIECE = AREA1 / PIECES;
// A plane of x has one more column, so that rows do not meet in the same bank of memory.
const PITCH = SIDE + 1u;

const_assert AREA1 <= WORKGROUP && PIECES * ROWS1 <= WORKGROUP && SIDE1 % PIECES == 0u;
const_assert FILTERS2 * AREA2 <= SIDE * PITCH && PIECES * ROWS1 * SIZE <= FILTERS1 * AREA1;

// pool1, later the gradients at its maxima, at last sums of conv1 to be added up.
var<workgroup> pool1: array<f32, FILTERS1 * AREA1>;
// Where the maxima stand: those of pool2 in planes of pool1, later those of pool1 in planes of x.
var<workgroup> places: array<u32, FILTERS1 * AREA1>;
// The gradients at pool2's maxima, later planes of x.
var<workgroup> scratch: array<f32, SIDE * PITCH>;

@compute @workgroup_size(WORKGROUP)
fn fused_conv_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunk = workgroup_index(group, groups);
    if chunk >= min(CHUNKS, batch.count) {
        return;
    }
    // Of conv1: filter row, and piece of the places.
    let row1 = lane % ROWS1;
    let piece = lane / ROWS1;

    var sums2: array<array<f32, SIZE>, ROWS2_A_LANE>;
    var bias2: array<f32, ROWS2_A_LANE>;
    var sums1: array<array<f32, SIZE>, CHANNELS>;
    var bias1 = 0.0;
    for (var image = chunk; image < batch.count; image += CHUNKS) {
        take_pools(image, lane);
        workgroupBarrier();

        for (var n = 0u; n < ROWS2_A_LANE; n++) {
            let row = n * WORKGROUP + lane;
            let k = row / ROWS1;
            if row < ROWS2 {
                let corner = row % ROWS1 / SIZE * AREA1 + row % SIZE * SIDE1;
                for (var p = k * AREA2; p < (k + 1u) * AREA2; p++) {
                    let g = scratch[p];
                    let at = corner + places[p];
                    for (var v = 0u; v < SIZE; v++) {
                        sums2[n][v] += g * pool1[at + v];
                    }
                    bias2[n] += g;
                }
            }
        }
        var dpool1 = gradient_of_pool1(lane);
        workgroupBarrier();

        if lane < AREA1 {
            for (var c = 0u; c < FILTERS1; c++) {
                let at = c * AREA1 + lane;
                let argmax = u32(workspace[ARGMAX1 + image * FILTERS1 * AREA1 + at]);
                pool1[at] = activate_backward(pool1[at], dpool1[c]);
                places[at] = argmax / (2u * SIDE1) * PITCH + argmax % (2u * SIDE1);
            }
        }
        for (var c = 0u; c < CHANNELS; c++) {
            for (var at = lane; at < SIDE * SIDE; at += WORKGROUP) {
                scratch[at / SIDE * PITCH + at % SIDE] = input_at(image, c, at / SIDE, at % SIDE);
            }
            workgroupBarrier();
            if piece < PIECES {
                let corner = row1 % SIZE * PITCH;
                let first = row1 / SIZE * AREA1 + piece * PIECE;
                for (var p = first; p < first + PIECE; p++) {
                    let g = pool1[p];
                    let at = corner + places[p];
                    for (var v = 0u; v < SIZE; v++) {
                        sums1[c][v] += g * scratch[at + v];
                    }
                    bias1 += select(0.0, g, c == 0u);
                }
            }
            workgroupBarrier();
        }
    }

    let partial = PARTIALS + chunk * PARTIAL_LEN;
    for (var n = 0u; n < ROWS2_A_LANE; n++) {
        let row = n * WORKGROUP + lane;
        if row < ROWS2 {
            for (var v = 0u; v < SIZE; v++) {
                workspace[partial + WEIGHT2 + row * SIZE + v] = sums2[n][v];
            }
            if row % ROWS1 == 0u {
                workspace[partial + BIAS2 + row / ROWS1] = bias2[n];
            }
        }
    }
    // The pieces of conv1's sums are added up, in order, plane by plane.
    for (var c = 0u; c < CHANNELS; c++) {
        if piece < PIECES {
            for (var v = 0u; v < SIZE; v++) {
                pool1[lane * SIZE + v] = sums1[c][v];
            }
            scratch[lane] = bias1;
        }
        workgroupBarrier();
        if lane < ROWS1 * SIZE {
            let k = lane / (SIZE * SIZE);
            let at = WEIGHT1 + (k * CHANNELS + c) * SIZE * SIZE + lane % (SIZE * SIZE);
            workspace[partial + at] = sum_of_pieces(lane);
        }
        if lane < FILTERS1 && c == 0u {
            var sum = 0.0;
            for (var n = 0u; n < PIECES; n++) {
                sum += scratch[n * ROWS1 + lane * SIZE];
            }
            workspace[partial + BIAS1 + lane] = sum;
        }
        workgroupBarrier();
    }
}

// Lays pool1 of an image, and of pool2 the maxima's gradients and places, into workgroup memory.
fn take_pools(image: u32, lane: u32) {
    for (var at = lane; at < FILTERS1 * AREA1; at += WORKGROUP) {
        pool1[at] = workspace[POOL1 + image * FILTERS1 * AREA1 + at];
    }
    for (var p = lane; p < FILTERS2 * AREA2; p += WORKGROUP) {
        let at = image * FILTERS2 * AREA2 + p;
        let argmax = u32(workspace[ARGMAX2 + at]);
        scratch[p] = activate_backward(workspace[POOL2 + at], workspace[DPOOL2 + at]);
        places[p] = argmax / (2u * SIDE2) * SIDE1 + argmax % (2u * SIDE2);
    }
}

// dpool1 at the lane's place, for each c.
fn gradient_of_pool1(lane: u32) -> array<f32, FILTERS1> {
    let row = lane / SIDE1;
    let column = lane % SIDE1;
    var sums: array<f32, FILTERS1>;
    for (var k = 0u; k < FILTERS2; k++) {
        for (var n = 0u; n < REACH * REACH; n++) {
            // Unsigned subtraction wraps around, so what lies before the first is "too large" as well.
            let window_row = row / 2u - n / REACH;
            let window_column = column / 2u - n % REACH;
            if lane < AREA1 && window_row < SIDE2 && window_column < SIDE2 {
                let p = k * AREA2 + window_row * SIDE2 + window_column;
                let u = row - places[p] / SIDE1;
                let v = column - places[p] % SIDE1;
                if u < SIZE && v < SIZE {
                    let at = WEIGHT2 + k * ROWS1 * SIZE + u * SIZE + v;
                    for (var c = 0u; c < FILTERS1; c++) {
                        sums[c] += scratch[p] * parameters[at + c * SIZE * SIZE];
                    }
                }
            }
        }
    }
    return sums;
}

// Windows, a side, that can reach a place: a window's two rows and the filter's SIZE.
const REACH = (SIZE + 1u) / 2u;

fn sum_of_pieces(at: u32) -> f32 {
    var sum = 0.0;
    for (var n = 0u; n < PIECES; n++) {
        sum += pool1[n * ROWS1 * SIZE + at];
    }
    return sum;
}
