// The network's input at (channel, row, column) of an image of the batch, transformed by the image's view:
// bilinear interpolation between the four pixels around the point that the view maps (row, column) to, with
// raw zeros around the image. At a point with whole coordinates this is the pixel itself, bit for bit.
//
// CPU twin: src/cpu/gather_augmented.rs

#import shared/images
#import shared/order
#import shared/views
#import variants/member

fn input_at(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    let view = views[batch.first + image];
    let point = vec2(
        view.row[0] * f32(row) + view.row[1] * f32(column) + view.row[2],
        view.column[0] * f32(row) + view.column[1] * f32(column) + view.column[2],
    );
    // Everything further than a pixel outside is as black as the first pixel outside, and fits an i32 after
    // clamping.
    let inside = clamp(point, vec2(-1.0), vec2(f32(SIDE)));
    let before = floor(inside);
    let fraction = inside - before;
    let first = vec2<u32>(vec2<i32>(before));
    let next = vec2<u32>(vec2<i32>(before) + 1i);
    let source = order[batch.first + image];
    let above = mix(
        pixel(source, channel, first.x, first.y),
        pixel(source, channel, first.x, next.y),
        fraction.y,
    );
    let below = mix(
        pixel(source, channel, next.x, first.y),
        pixel(source, channel, next.x, next.y),
        fraction.y,
    );
    return normalised(mix(above, below, fraction.x));
}
