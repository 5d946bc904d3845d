// y[b,k,i,j] = act(bias[k] + sum over c,u,v of x[b,c, i*s+u-p, j*s+v-p] * weight[k,c,u,v])
//
// A cross-correlation, as in the paper's formula. s = STRIDE, p = PADDING, filters of SIZE×SIZE.
//
// workspace   x [B, CHANNELS, HEIGHT, WIDTH] at X,  y [B, FILTERS, OUT_HEIGHT, OUT_WIDTH] at Y
// parameters  weight [FILTERS, CHANNELS, SIZE, SIZE] at WEIGHT,  bias [FILTERS] at BIAS
//
// One invocation computes a block of BLOCK_FILTERS × BLOCK_COLUMNS outputs of one row in registers. For each
// (c, u) it loads one segment of an input row, and SIZE weights per filter: with 3 × 7 outputs and SIZE 5,
// 105 FMAs for 26 loads. Neighbouring invocations compute neighbouring blocks of a row, then rows, so that a
// subgroup reads the same weights and adjacent inputs. The outer loops test their condition at the end,
// because a software adapter executes the body of a loop that tests at the beginning once more, without
// active invocations, to find the condition false.
//
// CPU twin: src/cpu/conv_forward.rs

#import shared/grid
#import shared/row_segment
#import variants/activation
#import variants/member
#import variants/parameters
#import variants/workspace

// Length of the segment of an input row that a block of outputs needs, rounded to whole pairs.
const ROW_SEGMENT = ((BLOCK_COLUMNS - 1u) * STRIDE + SIZE + 1u) / 2u * 2u;
const COLUMN_BLOCKS = (OUT_WIDTH + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
const FILTER_BLOCKS = (FILTERS + BLOCK_FILTERS - 1u) / BLOCK_FILTERS;

@compute @workgroup_size(WORKGROUP)
fn conv_forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    let first_column = index % COLUMN_BLOCKS * BLOCK_COLUMNS;
    let row = index / COLUMN_BLOCKS % OUT_HEIGHT;
    let first_filter = index / (COLUMN_BLOCKS * OUT_HEIGHT) % FILTER_BLOCKS * BLOCK_FILTERS;
    let image = index / (COLUMN_BLOCKS * OUT_HEIGHT * FILTER_BLOCKS);
    if image >= batch.count {
        return;
    }

    var sums: array<array<f32, BLOCK_COLUMNS>, BLOCK_FILTERS>;
    for (var k = 0u; k < BLOCK_FILTERS; k++) {
        // A block that extends past the last filter computes the last filter again and drops the result.
        let bias = parameter(BIAS + min(first_filter + k, FILTERS - 1u));
        for (var j = 0u; j < BLOCK_COLUMNS; j++) {
            sums[k][j] = bias;
        }
    }

    for (var c = 0u; ; c++) {
        for (var u = 0u; ; u++) {
            let x_start = X + (image * CHANNELS + c) * HEIGHT * WIDTH;
            var segment = row_segment(x_start, row * STRIDE + u, first_column);
            for (var k = 0u; k < BLOCK_FILTERS; k++) {
                let filter_row = min(first_filter + k, FILTERS - 1u) * CHANNELS + c;
                var weight: array<f32, SIZE>;
                for (var v = 0u; v < SIZE; v++) {
                    weight[v] = parameter(WEIGHT + (filter_row * SIZE + u) * SIZE + v);
                    for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                        sums[k][j] += segment[j * STRIDE + v] * weight[v];
                    }
                }
            }
            if u == SIZE - 1u {
                break;
            }
        }
        if c == CHANNELS - 1u {
            break;
        }
    }

    let end_column = min(first_column + BLOCK_COLUMNS, OUT_WIDTH);
    for (var k = 0u; k < BLOCK_FILTERS; k++) {
        let filter_index = first_filter + k;
        let y_start = Y + ((image * FILTERS + filter_index) * OUT_HEIGHT + row) * OUT_WIDTH;
        for (var j = 0u; j < BLOCK_COLUMNS; j += 2u) {
            if filter_index < FILTERS {
                // The second value of an odd block's last pair is not stored.
                let pair = vec2(activate(sums[k][j]), activate(sums[k][min(j + 1u, BLOCK_COLUMNS - 1u)]));
                store_vec2(y_start, first_column + j, end_column, pair);
            }
        }
    }
}
