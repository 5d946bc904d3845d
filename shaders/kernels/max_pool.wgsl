// y[b,c,i,j] = max over u,v of x[b,c, i*s+u, j*s+v], and argmax, the index of the maximum in its plane.
// The first maximum in row-major order is taken; a NaN in the window is larger than every number.
//
// workspace  x [B, CHANNELS, HEIGHT, WIDTH] at X,
//            y and argmax [B, CHANNELS, OUT_HEIGHT, OUT_WIDTH] at Y and ARGMAX;
//            argmax = row * WIDTH + column as an f32, which represents it exactly
//
// One invocation computes one output with WINDOW × WINDOW loads. Windows may overlap (s = STRIDE).
//
// CPU twin: src/cpu/max_pool.rs

#import shared/grid
#import shared/maximum
#import shared/workspace
#import variants/member

@compute @workgroup_size(WORKGROUP)
fn max_pool(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    let column = index % OUT_WIDTH;
    let row = index / OUT_WIDTH % OUT_HEIGHT;
    let plane = index / (OUT_WIDTH * OUT_HEIGHT);
    if plane >= batch.count * CHANNELS {
        return;
    }

    let corner = row * STRIDE * WIDTH + column * STRIDE;
    var maximum = workspace[workspace_start + X + plane * HEIGHT * WIDTH + corner];
    var argmax = corner;
    for (var u = 0u; u < WINDOW; u++) {
        for (var v = 0u; v < WINDOW; v++) {
            let position = corner + u * WIDTH + v;
            let value = workspace[workspace_start + X + plane * HEIGHT * WIDTH + position];
            if is_new_maximum(value, maximum) {
                maximum = value;
                argmax = position;
            }
        }
    }
    workspace[workspace_start + Y + index] = maximum;
    workspace[workspace_start + ARGMAX + index] = f32(argmax);
}
