// dweight[k,c,u,v] = sum over b,i,j of x[b,c, i*s+u-p, j*s+v-p] * dy[b,k,i,j]
// dbias[k]         = sum over b,i,j of dy[b,k,i,j]
//
// The paper's first proof, summed over the batch. To have enough invocations the batch is dealt out to
// CHUNKS chunks (image b to chunk b % CHUNKS); their partial sums are added up, in order, where the
// gradient is used (see adam.wgsl). A chunk without images leaves zeros.
//
// workspace  x [B, CHANNELS, HEIGHT, WIDTH] at X,  dy [B, FILTERS, OUT_HEIGHT, OUT_WIDTH] at DY,
//            partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS, each laid out as the arena is:
//            dweight at WEIGHT, dbias at BIAS
//
// One invocation sums one filter row (c, u) of BLOCK_FILTERS filters, or these filters' biases, over a
// chunk: BLOCK_FILTERS × SIZE sums in registers. For each output row it goes by stretches of
// BLOCK_COLUMNS columns: with 3 filters, 7 columns and SIZE 5, 105 FMAs for 32 loads.

#import batch
#import grid
#import workspace

const STRETCH = (BLOCK_COLUMNS - 1u) * STRIDE + SIZE;
const FILTER_BLOCKS = (FILTERS + BLOCK_FILTERS - 1u) / BLOCK_FILTERS;
const FILTER_ROWS = CHANNELS * SIZE;
const RAGGED = PADDING > 0u || OUT_WIDTH % BLOCK_COLUMNS != 0u;

@compute @workgroup_size(WORKGROUP)
fn conv_backward_weight(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    // The biases come last, as one more filter row.
    let filter_row = index % (FILTER_ROWS + 1u);
    let first_filter = index / (FILTER_ROWS + 1u) % FILTER_BLOCKS * BLOCK_FILTERS;
    let chunk = index / ((FILTER_ROWS + 1u) * FILTER_BLOCKS);
    if chunk >= CHUNKS {
        return;
    }
    if filter_row == FILTER_ROWS {
        sum_bias(first_filter, chunk);
    } else {
        sum_filter_row(filter_row / SIZE, filter_row % SIZE, first_filter, chunk);
    }
}

fn sum_filter_row(c: u32, u: u32, first_filter: u32, chunk: u32) {
    var sums: array<f32, BLOCK_FILTERS * SIZE>;
    for (var image = chunk; image < batch.count; image += CHUNKS) {
        for (var i = 0u; i < OUT_HEIGHT; i++) {
            // Unsigned subtraction wraps around, so rows above the image are "too large" as well.
            let x_row = i * STRIDE + u - PADDING;
            if PADDING > 0u && x_row >= HEIGHT {
                continue;
            }
            let x_start = X + ((image * CHANNELS + c) * HEIGHT + x_row) * WIDTH;
            for (var first_column = 0u; first_column < OUT_WIDTH; first_column += BLOCK_COLUMNS) {
                let x_column = first_column * STRIDE - PADDING;
                var stretch: array<f32, STRETCH>;
                for (var j = 0u; j < STRETCH; j++) {
                    if RAGGED {
                        let inside = x_column + j < WIDTH;
                        stretch[j] = select(0.0, workspace[x_start + select(0u, x_column + j, inside)], inside);
                    } else {
                        stretch[j] = workspace[x_start + x_column + j];
                    }
                }
                for (var k = 0u; k < BLOCK_FILTERS; k++) {
                    let filter_index = min(first_filter + k, FILTERS - 1u);
                    let dy_start = DY + ((image * FILTERS + filter_index) * OUT_HEIGHT + i) * OUT_WIDTH;
                    for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                        let column = first_column + j;
                        var dy = 0.0;
                        if !RAGGED || column < OUT_WIDTH {
                            dy = workspace[dy_start + column];
                        }
                        for (var v = 0u; v < SIZE; v++) {
                            sums[k * SIZE + v] += stretch[j * STRIDE + v] * dy;
                        }
                    }
                }
            }
        }
    }

    let partial = PARTIALS + chunk * PARTIAL_LEN + WEIGHT;
    for (var k = 0u; k < BLOCK_FILTERS; k++) {
        let filter_index = first_filter + k;
        if filter_index < FILTERS {
            for (var v = 0u; v < SIZE; v++) {
                workspace[partial + ((filter_index * CHANNELS + c) * SIZE + u) * SIZE + v] = sums[k * SIZE + v];
            }
        }
    }
}

fn sum_bias(first_filter: u32, chunk: u32) {
    for (var k = first_filter; k < min(first_filter + BLOCK_FILTERS, FILTERS); k++) {
        var sum = 0.0;
        for (var image = chunk; image < batch.count; image += CHUNKS) {
            let plane = DY + (image * FILTERS + k) * OUT_HEIGHT * OUT_WIDTH;
            for (var at = 0u; at < OUT_HEIGHT * OUT_WIDTH; at++) {
                sum += workspace[plane + at];
            }
        }
        workspace[PARTIALS + chunk * PARTIAL_LEN + BIAS + k] = sum;
    }
}
