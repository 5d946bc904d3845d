// Batch normalisation's places and scales: x [B, CHANNELS, POSITIONS].

// Place in x of a channel's value number i = 0 to B*POSITIONS - 1.
fn place_in_channel(channel: u32, i: u32) -> u32 {
    return (i / POSITIONS * CHANNELS + channel) * POSITIONS + i % POSITIONS;
}

fn channel_at(place: u32) -> u32 {
    return place / POSITIONS % CHANNELS;
}

fn inverse_deviation(variance: f32) -> f32 {
    return 1.0 / sqrt(variance + EPS);
}
