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
// A filter row is one (c, u) of a filter. One invocation sums BLOCK_ROWS filter rows of BLOCK_FILTERS
// filters over a chunk, SIZE sums each, in registers; the first block of rows sums the biases along. It
// goes by stretches of BLOCK_COLUMNS columns of each output row: with 3 filters, 5 filter rows, 7 columns
// and SIZE 5, 525 FMAs for 76 loads.

#import batch
#import grid
#import workspace

const STRETCH = (BLOCK_COLUMNS - 1u) * STRIDE + SIZE;
const FILTER_BLOCKS = (FILTERS + BLOCK_FILTERS - 1u) / BLOCK_FILTERS;
const ROWS = CHANNELS * SIZE;
const ROW_BLOCKS = (ROWS + BLOCK_ROWS - 1u) / BLOCK_ROWS;
// Whether a stretch may leave its row.
const RAGGED = PADDING > 0u || OUT_WIDTH % BLOCK_COLUMNS != 0u;

@compute @workgroup_size(WORKGROUP)
fn conv_backward_weight(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = invocation_index(id, groups);
    let first_row = index % ROW_BLOCKS * BLOCK_ROWS;
    let first_filter = index / ROW_BLOCKS % FILTER_BLOCKS * BLOCK_FILTERS;
    let chunk = index / (ROW_BLOCKS * FILTER_BLOCKS);
    if chunk >= CHUNKS {
        return;
    }

    var sums: array<array<array<f32, SIZE>, BLOCK_ROWS>, BLOCK_FILTERS>;
    var bias_sums: array<f32, BLOCK_FILTERS>;
    for (var image = chunk; image < batch.count; image += CHUNKS) {
        for (var i = 0u; i < OUT_HEIGHT; i++) {
            for (var first_column = 0u; first_column < OUT_WIDTH; first_column += BLOCK_COLUMNS) {
                var dy: array<array<f32, BLOCK_COLUMNS>, BLOCK_FILTERS>;
                for (var k = 0u; k < BLOCK_FILTERS; k++) {
                    // The last block may reach past the last filter: it sums that one again and drops it.
                    let filter_index = min(first_filter + k, FILTERS - 1u);
                    let dy_start = DY + ((image * FILTERS + filter_index) * OUT_HEIGHT + i) * OUT_WIDTH;
                    for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                        let column = first_column + j;
                        if !RAGGED || column < OUT_WIDTH {
                            dy[k][j] = workspace[dy_start + column];
                        }
                        bias_sums[k] += dy[k][j];
                    }
                }
                for (var r = 0u; r < BLOCK_ROWS; r++) {
                    let row = min(first_row + r, ROWS - 1u);
                    // Unsigned subtraction wraps around, so what lies before the first row or column of
                    // the image is "too large" as well.
                    let x_row = i * STRIDE + row % SIZE - PADDING;
                    let x_column = first_column * STRIDE - PADDING;
                    let x_start = X + (image * CHANNELS + row / SIZE) * HEIGHT * WIDTH;
                    var stretch: array<f32, STRETCH>;
                    for (var j = 0u; j < STRETCH; j++) {
                        if !RAGGED || (x_row < HEIGHT && x_column + j < WIDTH) {
                            stretch[j] = workspace[x_start + x_row * WIDTH + x_column + j];
                        }
                    }
                    for (var k = 0u; k < BLOCK_FILTERS; k++) {
                        for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                            for (var v = 0u; v < SIZE; v++) {
                                sums[k][r][v] += stretch[j * STRIDE + v] * dy[k][j];
                            }
                        }
                    }
                }
            }
        }
    }

    let partial = PARTIALS + chunk * PARTIAL_LEN;
    for (var k = 0u; k < BLOCK_FILTERS; k++) {
        let filter_index = first_filter + k;
        if filter_index >= FILTERS {
            continue;
        }
        for (var r = 0u; r < BLOCK_ROWS; r++) {
            let row = first_row + r;
            if row < ROWS {
                for (var v = 0u; v < SIZE; v++) {
                    workspace[partial + WEIGHT + (filter_index * ROWS + row) * SIZE + v] = sums[k][r][v];
                }
            }
        }
        if first_row == 0u {
            workspace[partial + BIAS + filter_index] = bias_sums[k];
        }
    }
}
