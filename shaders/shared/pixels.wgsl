// The images as the network sees them: each in the middle of SIDE×SIDE, with raw zeros around it.
#import batch
#import images

// The byte at a place of SIDE×SIDE, or 0 where the image is not. A negative row or column, turned into
// a u32, is far outside.
fn pixel(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    // Unsigned subtraction wraps around, so that one comparison a side catches both margins.
    let source_row = row - batch.top;
    let source_column = column - batch.left;
    if source_row >= batch.height || source_column >= batch.width {
        return 0.0;
    }
    let byte = (channel * batch.height + source_row) * batch.width + source_column;
    let word = images[image * batch.image_words + byte / 4u];
    return f32((word >> (byte % 4u * 8u)) & 0xffu);
}

fn normalised(pixel: f32) -> f32 {
    return (pixel / 255.0 - 0.5) / 0.5;
}
