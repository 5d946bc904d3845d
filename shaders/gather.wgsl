// x[b,c,i,j] = (pixel/255 - 0.5)/0.5 of image order[first + b], with raw zeros around it.
//
// images    [N, CHANNELS, HEIGHT, WIDTH] bytes, an image padded to whole words (IMAGE_WORDS)
// workspace x [B, CHANNELS, SIDE, SIDE] at X
//
// One invocation makes one value: 2 loads, no FMA to speak of. Neighbours make neighbouring columns.

#import batch
#import grid
#import images
#import order
#import workspace

@compute @workgroup_size(WORKGROUP)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    let column = index % SIDE;
    let row = index / SIDE % SIDE;
    let channel = index / (SIDE * SIDE) % CHANNELS;
    let image = index / (SIDE * SIDE * CHANNELS);
    if image >= batch.count {
        return;
    }

    var pixel = 0u;
    // Unsigned subtraction wraps around, so that one comparison a side catches both margins.
    let source_row = row - TOP;
    let source_column = column - LEFT;
    if source_row < HEIGHT && source_column < WIDTH {
        let byte = (channel * HEIGHT + source_row) * WIDTH + source_column;
        let word = images[order[batch.first + image] * IMAGE_WORDS + byte / 4u];
        pixel = (word >> (byte % 4u * 8u)) & 0xffu;
    }
    workspace[X + index] = (f32(pixel) / 255.0 - 0.5) / 0.5;
}
