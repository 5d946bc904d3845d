// The record of what goes through the network at once, a step or a micro-batch of it, chosen by a dynamic
// offset. Its twin is `BatchRecord`.
struct Batch {
    // Place of the batch's first image in `order`.
    first: u32,
    // Images in the batch.
    count: u32,
    // Place of the batch's first record in `outcomes`.
    outcome: u32,
    // The step's number t = 1, 2, ...
    step: u32,
    // 1 where micro-batches of the same step came before, else 0.
    follows: u32,
    // What a sample's loss counts: 1/(images in the step) for the mean.
    loss_scale: f32,
    // How much of each target is spread over all classes; 0 in evaluation.
    label_smoothing: f32,
    // The learning rate; for Adam times 1/(1 - beta1^t).
    rate: f32,
    // Adam: 1/sqrt(1 - beta2^t).
    root_correction: f32,
    // Weight decay lambda; for Adam times the learning rate.
    decay: f32,
    // How images are stored: rows and columns, words an image takes, and the rows above and columns left of
    // it in the network's SIDE×SIDE.
    height: u32,
    width: u32,
    image_words: u32,
    top: u32,
    left: u32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
