// The input values that a block of a convolution's outputs needs from one row: ROW_SEGMENT values of the
// padded channel that begins at `channel_start`, for a block whose first output column is `first_column`.
// Loaded in pairs.

#import variants/workspace

fn row_segment(channel_start: u32, padded_row: u32, first_column: u32) -> array<f32, ROW_SEGMENT> {
    // Unsigned subtraction wraps around, so a row or column before the first is out of range as well.
    let row = padded_row - PADDING;
    let column = first_column * STRIDE - PADDING;
    var segment: array<f32, ROW_SEGMENT>;
    for (var j = 0u; j < ROW_SEGMENT; j += 2u) {
        let pair = load_vec2(channel_start + row * WIDTH, column + j, WIDTH, row < HEIGHT);
        segment[j] = pair.x;
        segment[j + 1u] = pair.y;
    }
    return segment;
}
