// x[b,c,i,j] = (p/255 - 0.5)/0.5, where p is the pixel at (i, j) of image order[first + b]; in training,
// optionally transformed by the image's view (variants/input/augmented.wgsl).
//
// images     [N, CHANNELS, height, width] bytes, each image padded to whole words
// order      index of the image at each position of the order
// views      six numbers for each position, if images are augmented
// workspace  x [B, CHANNELS, SIDE, SIDE] at X
//
// One invocation computes one value with 2 loads and hardly any arithmetic; augmented, with 6 loads of its
// view, which its neighbours share, 4 loads of pixels and about 10 FMAs. Neighbouring invocations compute
// neighbouring columns.
//
// CPU twin: src/cpu/gather.rs, src/cpu/gather_augmented.rs

#import shared/grid
#import shared/workspace
#import variants/input
#import variants/member

@compute @workgroup_size(WORKGROUP)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    let column = index % SIDE;
    let row = index / SIDE % SIDE;
    let channel = index / (SIDE * SIDE) % CHANNELS;
    let image = index / (SIDE * SIDE * CHANNELS);
    if image >= batch.count {
        return;
    }
    workspace[workspace_start + X + index] = input_at(image, channel, row, column);
}
