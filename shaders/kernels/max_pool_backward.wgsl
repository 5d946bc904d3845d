// dx[b,c,i,j] = sum of dy over the windows whose argmax is (i, j), through the activation before the pool,
// whose output at the argmax is y, the window's maximum.
//
// workspace  dx [B, CHANNELS, HEIGHT, WIDTH] at DX,
//            y, argmax and dy [B, CHANNELS, OUT_HEIGHT, OUT_WIDTH] at Y, ARGMAX and DY
//
// One invocation computes a tile of STRIDE × STRIDE values of dx from the windows that reach into it: one
// window if they do not overlap, else REACH × REACH, with 3 loads each. Nothing is scattered: every value is
// written exactly once, and dx needs no zeroing.
//
// CPU twin: src/cpu/max_pool_backward.rs

#import shared/grid
#import shared/workspace
#import variants/activation
#import variants/member

const TILE_ROWS = (HEIGHT + STRIDE - 1u) / STRIDE;
const TILE_COLUMNS = (WIDTH + STRIDE - 1u) / STRIDE;
// The number of windows per side that reach into a tile.
const REACH = (WINDOW + STRIDE - 1u) / STRIDE;

@compute @workgroup_size(WORKGROUP)
fn max_pool_backward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    let tile_column = index % TILE_COLUMNS;
    let tile_row = index / TILE_COLUMNS % TILE_ROWS;
    let plane = index / (TILE_COLUMNS * TILE_ROWS);
    if plane >= batch.count * CHANNELS {
        return;
    }

    let corner = tile_row * STRIDE * WIDTH + tile_column * STRIDE;
    var sums: array<array<f32, STRIDE>, STRIDE>;
    for (var i = 0u; i < REACH; i++) {
        for (var j = 0u; j < REACH; j++) {
            // Unsigned subtraction wraps around, so a window before the first is out of range as well.
            let row = tile_row - i;
            let column = tile_column - j;
            if row < OUT_HEIGHT && column < OUT_WIDTH {
                let window = workspace_start + (plane * OUT_HEIGHT + row) * OUT_WIDTH + column;
                let argmax = u32(workspace[ARGMAX + window]);
                let dy = activate_backward(workspace[Y + window], workspace[DY + window]);
                for (var u = 0u; u < STRIDE; u++) {
                    for (var v = 0u; v < STRIDE; v++) {
                        sums[u][v] += select(0.0, dy, argmax == corner + u * WIDTH + v);
                    }
                }
            }
        }
    }

    for (var u = 0u; u < STRIDE; u++) {
        for (var v = 0u; v < STRIDE; v++) {
            if tile_row * STRIDE + u < HEIGHT && tile_column * STRIDE + v < WIDTH {
                workspace[workspace_start + DX + plane * HEIGHT * WIDTH + corner + u * WIDTH + v] = sums[u][v];
            }
        }
    }
}
