// x[b,c,i,j] = (p/255 - 0.5)/0.5, where p is the pixel of image order[first + b] that is seen at (i, j), in
// training possibly through a view of the image's own (see inputs/augmented.wgsl).
//
// images    [N, CHANNELS, height, width] bytes, an image padded to whole words
// views     [the pass] six numbers each, in the order's order, where images are augmented
// workspace x [B, CHANNELS, SIDE, SIDE] at X
//
// One invocation makes one value: 2 loads and no FMA to speak of; augmented, 6 loads of its view, which its
// neighbours share, 4 of pixels, some 10 FMA. Neighbours make neighbouring columns.

#import batch
#import grid
#import input
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
    workspace[X + index] = input_at(image, channel, row, column);
}
