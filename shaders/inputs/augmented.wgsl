// The network's input at (channel, row, column) of the batch's image, seen through its view: bilinear between
// the four pixels around the point that the view has for (row, column), with raw zeros around the image. At
// a whole point that is the pixel itself, bit for bit.

#import batch
#import order
#import pixels
#import views

fn input_at(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    let view = views[batch.first + image];
    let point = vec2(
        view.row[0] * f32(row) + view.row[1] * f32(column) + view.row[2],
        view.column[0] * f32(row) + view.column[1] * f32(column) + view.column[2],
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
    return normalised(mix(above, below, share.x));
}
