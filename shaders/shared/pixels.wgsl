// The images as the network sees them: each in the middle of SIDE×SIDE, with raw zeros around it.
#import images

// The byte at a place of SIDE×SIDE, or 0 where the image is not. A negative row or column, turned into
// a u32, is far outside.
fn pixel(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    // Unsigned subtraction wraps around, so that one comparison a side catches both margins.
    let source_row = row - TOP;
    let source_column = column - LEFT;
    if source_row >= HEIGHT || source_column >= WIDTH {
        return 0.0;
    }
    let byte = (channel * HEIGHT + source_row) * WIDTH + source_column;
    let word = images[image * IMAGE_WORDS + byte / 4u];
    return f32((word >> (byte % 4u * 8u)) & 0xffu);
}

fn normalised(pixel: f32) -> f32 {
    return (pixel / 255.0 - 0.5) / 0.5;
}
