// The stored images, C×H×W bytes each, four bytes to a word, low byte first; and each image as input of
// the network: centred in SIDE×SIDE, with raw zeros around it.

#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_IMAGES) var<storage, read> images: array<u32>;

// The byte at a position of SIDE×SIDE, or 0 outside the image. A negative row or column, converted to u32, is
// far outside.
fn pixel(image: u32, channel: u32, row: u32, column: u32) -> f32 {
    // Unsigned subtraction wraps around, so one comparison per dimension covers both margins.
    let source_row = row - batch.top;
    let source_column = column - batch.left;
    if source_row >= batch.height || source_column >= batch.width {
        return 0.0;
    }
    let byte = (channel * batch.height + source_row) * batch.width + source_column;
    let word = images[image * batch.image_words + byte / 4u];
    return f32((word >> (byte % 4u * 8u)) & 0xffu);
}

// A byte's value, scaled to [-1, 1].
fn normalised(pixel: f32) -> f32 {
    return (pixel / 255.0 - 0.5) / 0.5;
}
