// Indices and scale of batch normalisation over x [B, CHANNELS, POSITIONS].

// The index in x of a channel's i-th value, i < B * POSITIONS.
fn index_in_channel(channel: u32, i: u32) -> u32 {
    return (i / POSITIONS * CHANNELS + channel) * POSITIONS + i % POSITIONS;
}

// The channel of the value at an index of x.
fn channel_at(index: u32) -> u32 {
    return index / POSITIONS % CHANNELS;
}

fn inverse_deviation(variance: f32) -> f32 {
    return 1.0 / sqrt(variance + EPS);
}
