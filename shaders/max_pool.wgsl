// y[b,c,i,j] = max over u,v of x[b,c, i*s+u, j*s+v], and argmax, where the maximum stands in its plane.
// The first maximum in row-major order wins; a NaN in the window wins over every number.
//
// workspace  x [B, CHANNELS, HEIGHT, WIDTH] at X,  y and argmax [B, CHANNELS, OUT_HEIGHT, OUT_WIDTH] at
//            Y and ARGMAX; argmax = row * WIDTH + column, as an f32, which holds it exactly
//
// One invocation makes one output: WINDOW × WINDOW loads. Windows may overlap.

#import batch
#import grid
#import maximum
#import workspace

@compute @workgroup_size(WORKGROUP)
fn max_pool(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    let column = index % OUT_WIDTH;
    let row = index / OUT_WIDTH % OUT_HEIGHT;
    let plane = index / (OUT_WIDTH * OUT_HEIGHT);
    if plane >= batch.count * CHANNELS {
        return;
    }

    let corner = row * STRIDE * WIDTH + column * STRIDE;
    var best = workspace[X + plane * HEIGHT * WIDTH + corner];
    var argmax = corner;
    for (var u = 0u; u < WINDOW; u++) {
        for (var v = 0u; v < WINDOW; v++) {
            let at = corner + u * WIDTH + v;
            let value = workspace[X + plane * HEIGHT * WIDTH + at];
            if takes_over(value, best) {
                best = value;
                argmax = at;
            }
        }
    }
    workspace[Y + index] = best;
    workspace[ARGMAX + index] = f32(argmax);
}
