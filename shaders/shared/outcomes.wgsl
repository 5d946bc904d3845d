// The result for each sample, by its position in the order. Rust: `SampleOutcome` in src/engine/.
#import shared/bindings

struct Outcome {
    loss: f32,
    predicted: u32,
}

@group(0) @binding(BINDING_OUTCOMES) var<storage, read_write> outcomes: array<Outcome>;
