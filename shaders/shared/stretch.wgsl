// What a stretch of a convolution's outputs that begins at `first_column` sees of a row of the padded channel at
// `channel_start`: STRETCH values, loaded in pairs.

#import pair

fn stretch_of(channel_start: u32, padded_row: u32, first_column: u32) -> array<f32, STRETCH> {
    // Unsigned subtraction wraps around, so what lies before the first row or column is "too large" as well.
    let row = padded_row - PADDING;
    let column = first_column * STRIDE - PADDING;
    var stretch: array<f32, STRETCH>;
    for (var j = 0u; j < STRETCH; j += 2u) {
        let pair = row_pair(channel_start + row * WIDTH, column + j, WIDTH, row < HEIGHT);
        stretch[j] = pair.x;
        stretch[j + 1u] = pair.y;
    }
    return stretch;
}
