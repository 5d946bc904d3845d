// dweight[k,c,u,v] = sum over b,i,j of x[b,c, i*s+u-p, j*s+v-p] * dy[b,k,i,j]
// dbias[k]         = sum over b,i,j of dy[b,k,i,j]
//
// The paper's first proof, summed over the batch. To occupy enough invocations, the batch is divided into
// CHUNKS chunks (image b belongs to chunk b % CHUNKS). Their partial sums are added in order by the kernel
// that uses the gradient.
//
// workspace  x [B, CHANNELS, HEIGHT, WIDTH] at X,  dy [B, FILTERS, OUT_HEIGHT, OUT_WIDTH] at DY
// partials   [CHUNKS, PARTIAL_LEN]: dweight at WEIGHT and dbias at BIAS of each chunk that has images
//
// One invocation sums BLOCK_ROWS rows of one channel of BLOCK_FILTERS filters over a chunk, SIZE sums each,
// in registers; the first block of rows of the first channel sums the biases as well. It moves down the
// output in strips of BLOCK_COLUMNS columns, with a window of the rows of x that its filter rows cover: from
// one row to the next, all but STRIDE rows stay in the window. With 3 filters of 5 rows, 7 columns and SIZE
// 5, 525 FMAs for 32 loads. Loops test their condition at the end: see conv_forward.wgsl.
//
// CPU twin: src/cpu/conv_backward_weight.rs

#import shared/grid
#import shared/partials
#import shared/row_segment
#import variants/member
#import variants/workspace

// Lengths of a strip's segment of dy, and of the segment of x that it needs, rounded to whole pairs.
const DY_SEGMENT = (BLOCK_COLUMNS + 1u) / 2u * 2u;
const ROW_SEGMENT = ((DY_SEGMENT - 1u) * STRIDE + SIZE + 1u) / 2u * 2u;
const FILTER_BLOCKS = (FILTERS + BLOCK_FILTERS - 1u) / BLOCK_FILTERS;
const ROW_BLOCKS = (SIZE + BLOCK_ROWS - 1u) / BLOCK_ROWS;
// Rows of the window that stay in it from one output row to the next.
const KEPT_ROWS = BLOCK_ROWS - min(BLOCK_ROWS, STRIDE);

@compute @workgroup_size(WORKGROUP)
fn conv_backward_weight(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    let first_row = index % ROW_BLOCKS * BLOCK_ROWS;
    let channel = index / ROW_BLOCKS % CHANNELS;
    let first_filter = index / (ROW_BLOCKS * CHANNELS) % FILTER_BLOCKS * BLOCK_FILTERS;
    let chunk = index / (ROW_BLOCKS * CHANNELS * FILTER_BLOCKS);
    if chunk >= min(CHUNKS, batch.count) {
        return;
    }

    var sums: array<array<array<f32, SIZE>, BLOCK_ROWS>, BLOCK_FILTERS>;
    var bias_sums: array<f32, BLOCK_FILTERS>;
    for (var image = chunk; image < batch.count; image += CHUNKS) {
        let x_start = X + (image * CHANNELS + channel) * HEIGHT * WIDTH;
        for (var first_column = 0u; ; first_column += BLOCK_COLUMNS) {
            let end_column = min(first_column + BLOCK_COLUMNS, OUT_WIDTH);
            var window: array<array<f32, ROW_SEGMENT>, BLOCK_ROWS>;
            for (var r = 0u; r < KEPT_ROWS; r++) {
                window[STRIDE + r] = row_segment(x_start, first_row + r, first_column);
            }
            for (var i = 0u; ; i++) {
                for (var r = 0u; r < KEPT_ROWS; r++) {
                    window[r] = window[STRIDE + r];
                }
                for (var r = KEPT_ROWS; r < BLOCK_ROWS; r++) {
                    window[r] = row_segment(x_start, i * STRIDE + first_row + r, first_column);
                }
                for (var k = 0u; k < BLOCK_FILTERS; k++) {
                    // A block that extends past the last filter sums the last filter again and drops the
                    // result.
                    let filter_index = min(first_filter + k, FILTERS - 1u);
                    let dy_start = DY + ((image * FILTERS + filter_index) * OUT_HEIGHT + i) * OUT_WIDTH;
                    var dy: array<f32, DY_SEGMENT>;
                    for (var j = 0u; j < DY_SEGMENT; j += 2u) {
                        let pair = load_vec2(dy_start, first_column + j, end_column, true);
                        dy[j] = pair.x;
                        dy[j + 1u] = pair.y;
                        bias_sums[k] += pair.x + pair.y;
                    }
                    for (var r = 0u; r < BLOCK_ROWS; r++) {
                        for (var v = 0u; v < SIZE; v++) {
                            for (var j = 0u; j < DY_SEGMENT; j++) {
                                sums[k][r][v] += window[r][j * STRIDE + v] * dy[j];
                            }
                        }
                    }
                }
                if i == OUT_HEIGHT - 1u {
                    break;
                }
            }
            if end_column == OUT_WIDTH {
                break;
            }
        }
    }

    let partial = partials_start + chunk * PARTIAL_LEN;
    for (var k = 0u; k < BLOCK_FILTERS; k++) {
        let filter_index = first_filter + k;
        if filter_index >= FILTERS {
            continue;
        }
        for (var r = 0u; r < BLOCK_ROWS; r++) {
            let row = first_row + r;
            if row < SIZE {
                let weight = WEIGHT + ((filter_index * CHANNELS + channel) * SIZE + row) * SIZE;
                for (var v = 0u; v < SIZE; v++) {
                    partials[partial + weight + v] = sums[k][r][v];
                }
            }
        }
        if first_row == 0u && channel == 0u {
            partials[partial + BIAS + filter_index] = bias_sums[k];
        }
    }
}
