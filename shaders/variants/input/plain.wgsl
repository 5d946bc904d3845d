// The network's input at (channel, row, column) of an image of the batch: the stored pixel, scaled to
// [-1, 1].

#import shared/images
#import shared/order
#import variants/member

fn input_at(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    return normalised(pixel(order[batch.first + image], channel, row, column));
}
