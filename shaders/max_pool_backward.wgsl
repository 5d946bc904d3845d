// dx[b,c,i,j] = sum of dy over the windows whose argmax is (i, j), through the ReLU before the pool
// where RELU is set: x is that ReLU's output, and nothing passes where it is 0.
//
// workspace  x and dx [B, CHANNELS, HEIGHT, WIDTH] at X and DX,
//            argmax and dy [B, CHANNELS, OUT_HEIGHT, OUT_WIDTH] at ARGMAX and DY
//
// One invocation makes one value of dx by asking each window that covers it: one where windows do not
// overlap. So nothing is scattered, no value is written twice, and no zeros are written beforehand.

#import batch
#import grid
#import relu
#import workspace

@compute @workgroup_size(WORKGROUP)
fn max_pool_backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    let column = index % WIDTH;
    let row = index / WIDTH % HEIGHT;
    let plane = index / (WIDTH * HEIGHT);
    if plane >= batch.count * CHANNELS {
        return;
    }

    // The first and the last window, a side, that cover this place.
    let first_row = (max(row + STRIDE, WINDOW) - WINDOW) / STRIDE;
    let last_row = min(row / STRIDE, OUT_HEIGHT - 1u);
    let first_column = (max(column + STRIDE, WINDOW) - WINDOW) / STRIDE;
    let last_column = min(column / STRIDE, OUT_WIDTH - 1u);
    let here = f32(row * WIDTH + column);

    var sum = 0.0;
    for (var i = first_row; i <= last_row; i++) {
        for (var j = first_column; j <= last_column; j++) {
            let at = (plane * OUT_HEIGHT + i) * OUT_WIDTH + j;
            if workspace[ARGMAX + at] == here {
                sum += workspace[DY + at];
            }
        }
    }
    if RELU {
        sum = relu_backward(workspace[X + index], sum);
    }
    workspace[DX + index] = sum;
}
