// y[b,k,i,j] = act(bias[k] + sum over c,u,v of x[b,c, i*s+u-p, j*s+v-p] * weight[k,c,u,v])
//
// A cross-correlation, as in the paper's formula. s = STRIDE, p = PADDING, filters of SIZE×SIZE.
//
// workspace   x [B, CHANNELS, HEIGHT, WIDTH] at X,  y [B, FILTERS, OUT_HEIGHT, OUT_WIDTH] at Y
// parameters  weight [FILTERS, CHANNELS, SIZE, SIZE] at WEIGHT,  bias [FILTERS] at BIAS
//
// One invocation makes a block of BLOCK_FILTERS × BLOCK_COLUMNS outputs of one row, in registers. For
// each (c, u) it loads one stretch of an input row, and SIZE weights a filter: with 3 × 7 outputs and
// SIZE 5, 105 FMAs for 26 loads. Neighbours make neighbouring blocks of a row, then rows, so that a
// wave reads the same weights and adjoining inputs. Loops are left at their end, since a software adapter runs
// a body once more, for no lane, to see that a condition at its beginning is false.

#import activation
#import batch
#import filter
#import grid
#import stretch
#import workspace

// The stretch of an input row that a block of outputs reads, in pairs.
const STRETCH = ((BLOCK_COLUMNS - 1u) * STRIDE + SIZE + 1u) / 2u * 2u;
const COLUMN_BLOCKS = (OUT_WIDTH + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
const FILTER_BLOCKS = (FILTERS + BLOCK_FILTERS - 1u) / BLOCK_FILTERS;

@compute @workgroup_size(WORKGROUP)
fn conv_forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
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
        // The last block may reach past the last filter: it computes that one again and drops it.
        let bias = filter_value(BIAS + min(first_filter + k, FILTERS - 1u));
        for (var j = 0u; j < BLOCK_COLUMNS; j++) {
            sums[k][j] = bias;
        }
    }

    for (var c = 0u; ; c++) {
        for (var u = 0u; ; u++) {
            let x_start = X + (image * CHANNELS + c) * HEIGHT * WIDTH;
            var stretch = stretch_of(x_start, row * STRIDE + u, first_column);
            for (var k = 0u; k < BLOCK_FILTERS; k++) {
                let filter_row = min(first_filter + k, FILTERS - 1u) * CHANNELS + c;
                var weight: array<f32, SIZE>;
                for (var v = 0u; v < SIZE; v++) {
                    weight[v] = filter_value(WEIGHT + (filter_row * SIZE + u) * SIZE + v);
                    for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                        sums[k][j] += stretch[j * STRIDE + v] * weight[v];
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

    for (var k = 0u; k < BLOCK_FILTERS; k++) {
        let filter_index = first_filter + k;
        let y_start = Y + ((image * FILTERS + filter_index) * OUT_HEIGHT + row) * OUT_WIDTH;
        for (var j = 0u; j < BLOCK_COLUMNS; j++) {
            if filter_index < FILTERS && first_column + j < OUT_WIDTH {
                workspace[y_start + first_column + j] = activate(sums[k][j]);
            }
        }
    }
}
