// dx[b,c,i,j] = sum over k,u,v of dy[b,k, (i+p-u)/s, (j+p-v)/s] * weight[k,c,u,v]
// where the divisions leave no rest and stay inside dy.
//
// The paper's second proof: the full convolution of dy (dilated by s - 1 zeros, padded by f - 1 - p)
// with the filter rotated by 180 degrees, summed over the filters.
//
// workspace   dy [B, FILTERS, OUT_HEIGHT, OUT_WIDTH] at DY,  dx [B, CHANNELS, HEIGHT, WIDTH] at DX
// parameters  weight [FILTERS, CHANNELS, SIZE, SIZE] at WEIGHT
//
// One invocation makes a block of BLOCK_CHANNELS × BLOCK_COLUMNS values of one row of dx, in registers.
// For each (k, u) it loads one stretch of a row of the dilated dy, and SIZE weights a channel: with
// 3 × 7 values and SIZE 5, 105 FMAs for 26 loads. Neighbours make neighbouring blocks, then rows. Loops are left at
// their end, as in conv_forward.wgsl.

#import batch
#import filter
#import grid
#import pair
#import workspace

// The stretch of a row of the dilated dy that a block reads, in pairs.
const STRETCH = (BLOCK_COLUMNS + SIZE) / 2u * 2u;
const COLUMN_BLOCKS = (WIDTH + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
const CHANNEL_BLOCKS = (CHANNELS + BLOCK_CHANNELS - 1u) / BLOCK_CHANNELS;

@compute @workgroup_size(WORKGROUP)
fn conv_backward_input(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    let first_column = index % COLUMN_BLOCKS * BLOCK_COLUMNS;
    let row = index / COLUMN_BLOCKS % HEIGHT;
    let first_channel = index / (COLUMN_BLOCKS * HEIGHT) % CHANNEL_BLOCKS * BLOCK_CHANNELS;
    let image = index / (COLUMN_BLOCKS * HEIGHT * CHANNEL_BLOCKS);
    if image >= batch.count {
        return;
    }

    var sums: array<array<f32, BLOCK_COLUMNS>, BLOCK_CHANNELS>;
    for (var k = 0u; ; k++) {
        for (var u = 0u; ; u++) {
            // Rows and columns of the dilated dy; unsigned subtraction wraps around, so what lies
            // before the first is "too large" as well.
            let dilated_row = row + PADDING - u;
            let dilated_column = first_column + PADDING + 1u - SIZE;
            let row_inside = dilated_row % STRIDE == 0u && dilated_row / STRIDE < OUT_HEIGHT;
            let dy_start = DY + ((image * FILTERS + k) * OUT_HEIGHT + dilated_row / STRIDE) * OUT_WIDTH;
            var stretch: array<f32, STRETCH>;
            for (var j = 0u; j < STRETCH; j += 2u) {
                let pair = dilated_pair(dy_start, dilated_column + j, row_inside);
                stretch[j] = pair.x;
                stretch[j + 1u] = pair.y;
            }
            for (var c = 0u; c < BLOCK_CHANNELS; c++) {
                let filter_row = k * CHANNELS + min(first_channel + c, CHANNELS - 1u);
                var weight: array<f32, SIZE>;
                for (var v = 0u; v < SIZE; v++) {
                    weight[v] = filter_value(WEIGHT + (filter_row * SIZE + u) * SIZE + v);
                    for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                        sums[c][j] += stretch[j + SIZE - 1u - v] * weight[v];
                    }
                }
            }
            if u == SIZE - 1u {
                break;
            }
        }
        if k == FILTERS - 1u {
            break;
        }
    }

    for (var c = 0u; c < BLOCK_CHANNELS; c++) {
        let channel = first_channel + c;
        let dx_start = DX + ((image * CHANNELS + channel) * HEIGHT + row) * WIDTH;
        for (var j = 0u; j < BLOCK_COLUMNS; j++) {
            if channel < CHANNELS && first_column + j < WIDTH {
                workspace[dx_start + first_column + j] = sums[c][j];
            }
        }
    }
}

// Two neighbouring values of a dilated row of dy.
fn dilated_pair(row: u32, column: u32, inside: bool) -> vec2<f32> {
    if STRIDE == 1u {
        return row_pair(row, column, OUT_WIDTH, inside);
    }
    var pair: vec2<f32>;
    for (var n = 0u; n < 2u; n++) {
        let at = column + n;
        if inside && at % STRIDE == 0u && at / STRIDE < OUT_WIDTH {
            pair[n] = workspace[row + at / STRIDE];
        }
    }
    return pair;
}
