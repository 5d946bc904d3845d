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
// 3 × 7 values and SIZE 5, 105 FMAs for 26 loads. Neighbours make neighbouring blocks, then rows.

#import batch
#import grid
#import filter
#import workspace

const STRETCH = BLOCK_COLUMNS + SIZE - 1u;
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
    for (var k = 0u; k < FILTERS; k++) {
        for (var u = 0u; u < SIZE; u++) {
            // Rows and columns of the dilated dy; unsigned subtraction wraps around, so what lies
            // before the first is "too large" as well.
            let dilated_row = row + PADDING - u;
            if dilated_row % STRIDE != 0u || dilated_row / STRIDE >= OUT_HEIGHT {
                continue;
            }
            let dy_start = DY + ((image * FILTERS + k) * OUT_HEIGHT + dilated_row / STRIDE) * OUT_WIDTH;
            let dilated_column = first_column + PADDING + 1u - SIZE;
            var stretch: array<f32, STRETCH>;
            for (var j = 0u; j < STRETCH; j++) {
                let at = dilated_column + j;
                let inside = at % STRIDE == 0u && at / STRIDE < OUT_WIDTH;
                stretch[j] = select(0.0, workspace[dy_start + select(0u, at / STRIDE, inside)], inside);
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
