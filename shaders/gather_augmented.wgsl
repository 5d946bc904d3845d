// x[b,c,i,j] = (p/255 - 0.5)/0.5, where p is image order[first + b] at the point that views[first + b]
// has for (i, j): bilinear between its four neighbours, with raw zeros around the image. At a whole point
// that is the pixel itself, bit for bit.
//
// images    [N, CHANNELS, HEIGHT, WIDTH] bytes, an image padded to whole words (IMAGE_WORDS)
// views     [the pass] six numbers each, in the order's order
// workspace x [B, CHANNELS, SIDE, SIDE] at X
//
// One invocation makes one value: 6 loads of its view, which its neighbours share, 4 of pixels, some 10 FMA.

#import batch
#import grid
#import order
#import pixels
#import views
#import workspace

@compute @workgroup_size(WORKGROUP)
fn gather_augmented(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = invocation_index(id, groups);
    let column = f32(index % SIDE);
    let row = f32(index / SIDE % SIDE);
    let channel = index / (SIDE * SIDE) % CHANNELS;
    let image = index / (SIDE * SIDE * CHANNELS);
    if image >= batch.count {
        return;
    }

    let view = views[batch.first + image];
    let point = vec2(
        view.row[0] * row + view.row[1] * column + view.row[2],
        view.column[0] * row + view.column[1] * column + view.column[2],
    );
    // What is further away than a pixel is as black as what is one away, and an i32 can hold that.
    let inside = clamp(point, vec2(-1.0), vec2(f32(SIDE)));
    let before = floor(inside);
    let share = inside - before;
    let first = vec2<u32>(vec2<i32>(before));
    let next = vec2<u32>(vec2<i32>(before) + 1i);
    let source = order[batch.first + image];
    let above = mix(
        pixel(source, channel, first.x, first.y),
        pixel(source, channel, first.x, next.y),
        share.y,
    );
    let below = mix(
        pixel(source, channel, next.x, first.y),
        pixel(source, channel, next.x, next.y),
        share.y,
    );
    workspace[X + index] = normalised(mix(above, below, share.x));
}
