// The network's input at (channel, row, column) of the batch's image: the pixel as it is stored, from -1 to 1.

#import batch
#import order
#import pixels

fn input_at(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    return normalised(pixel(order[batch.first + image], channel, row, column));
}
