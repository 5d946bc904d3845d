// What became of each sample of the pass, in its order. Its twin is `SampleOutcome`.
struct Outcome {
    loss: f32,
    predicted: u32,
}

@group(0) @binding(9) var<storage, read_write> outcomes: array<Outcome>;
