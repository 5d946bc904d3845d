// x[b,c,i,j] = (pixel/255 - 0.5)/0.5 of image order[first + b], with raw zeros around it.
//
// images    [N, CHANNELS, HEIGHT, WIDTH] bytes, an image padded to whole words (IMAGE_WORDS)
// workspace x [B, CHANNELS, SIDE, SIDE] at X
//
// One invocation makes one value: 2 loads, no FMA to speak of. Neighbours make neighbouring columns.

#import batch
#import grid
#import order
#import pixels
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
    workspace[X + index] = normalised(pixel(order[batch.first + image], channel, row, column));
}
