// The step's record: one for each step, chosen by a dynamic offset. Its twin is `BatchRecord`.
struct Batch {
    // Place of the batch's first image in `order`.
    first: u32,
    // Images in the batch.
    count: u32,
    // Place of the batch's first record in `outcomes`.
    outcome: u32,
    // The step's number t = 1, 2, ...
    step: u32,
    // What a sample's loss counts: 1/count for the mean.
    loss_scale: f32,
    // How much of each target is spread over all classes; 0 in evaluation.
    label_smoothing: f32,
    // Adam: the learning rate times 1/(1 - beta1^t).
    rate: f32,
    // Adam: 1/sqrt(1 - beta2^t).
    root_correction: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
