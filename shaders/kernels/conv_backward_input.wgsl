// dx[b,c,i,j] = sum over k,u,v of dy[b,k, (i+p-u)/s, (j+p-v)/s] * weight[k,c,u,v]
// over the terms whose divisions have no remainder and whose indices are inside dy.
//
// The paper's second proof: the full convolution of dy (dilated by s - 1 zeros, padded by f - 1 - p) with the
// filter rotated by 180 degrees, summed over the filters.
//
// workspace   dy [B, FILTERS, OUT_HEIGHT, OUT_WIDTH] at DY,  dx [B, CHANNELS, HEIGHT, WIDTH] at DX
// parameters  weight [FILTERS, CHANNELS, SIZE, SIZE] at WEIGHT
//
// One invocation computes a block of BLOCK_CHANNELS × BLOCK_COLUMNS values of one row of dx in registers. For
// each (k, u) it loads one segment of a row of the dilated dy, and SIZE weights per channel: with 3 × 7
// values and SIZE 5, 105 FMAs for 26 loads. Neighbouring invocations compute neighbouring blocks of a row,
// then rows. Loops test their condition at the end: see conv_forward.wgsl.
//
// CPU twin: src/cpu/conv_backward_input.rs

#import shared/grid
#import variants/member
#import variants/parameters
#import variants/workspace

// Length of the segment of a dilated row of dy that a block reads, rounded to whole pairs.
const ROW_SEGMENT = (BLOCK_COLUMNS + SIZE) / 2u * 2u;
const COLUMN_BLOCKS = (WIDTH + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
const CHANNEL_BLOCKS = (CHANNELS + BLOCK_CHANNELS - 1u) / BLOCK_CHANNELS;

@compute @workgroup_size(WORKGROUP)
fn conv_backward_input(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
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
            // Row and first column of the dilated dy. Unsigned subtraction wraps around, so a row or column
            // before the first is out of range as well.
            let dilated_row = row + PADDING - u;
            let dilated_column = first_column + PADDING + 1u - SIZE;
            let row_inside = dilated_row % STRIDE == 0u && dilated_row / STRIDE < OUT_HEIGHT;
            let dy_start = DY + ((image * FILTERS + k) * OUT_HEIGHT + dilated_row / STRIDE) * OUT_WIDTH;
            var segment: array<f32, ROW_SEGMENT>;
            for (var j = 0u; j < ROW_SEGMENT; j += 2u) {
                let pair = dilated_pair(dy_start, dilated_column + j, row_inside);
                segment[j] = pair.x;
                segment[j + 1u] = pair.y;
            }
            for (var c = 0u; c < BLOCK_CHANNELS; c++) {
                let filter_row = k * CHANNELS + min(first_channel + c, CHANNELS - 1u);
                var weight: array<f32, SIZE>;
                for (var v = 0u; v < SIZE; v++) {
                    weight[v] = parameter(WEIGHT + (filter_row * SIZE + u) * SIZE + v);
                    for (var j = 0u; j < BLOCK_COLUMNS; j++) {
                        sums[c][j] += segment[j + SIZE - 1u - v] * weight[v];
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

    let end_column = min(first_column + BLOCK_COLUMNS, WIDTH);
    for (var c = 0u; c < BLOCK_CHANNELS; c++) {
        let channel = first_channel + c;
        let dx_start = DX + ((image * CHANNELS + channel) * HEIGHT + row) * WIDTH;
        for (var j = 0u; j < BLOCK_COLUMNS; j += 2u) {
            if channel < CHANNELS {
                // The second value of an odd block's last pair is not stored.
                let pair = vec2(sums[c][j], sums[c][min(j + 1u, BLOCK_COLUMNS - 1u)]);
                store_vec2(dx_start, first_column + j, end_column, pair);
            }
        }
    }
}

// Two neighbouring values of a dilated row of dy.
fn dilated_pair(row: u32, column: u32, inside: bool) -> vec2<f32> {
    if STRIDE == 1u {
        return load_vec2(row, column, OUT_WIDTH, inside);
    }
    var pair: vec2<f32>;
    for (var n = 0u; n < 2u; n++) {
        let dilated = column + n;
        if inside && dilated % STRIDE == 0u && dilated / STRIDE < OUT_WIDTH {
            pair[n] = load(row + dilated / STRIDE);
        }
    }
    return pair;
}
