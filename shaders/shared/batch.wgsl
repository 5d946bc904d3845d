// The record of a batch: a step, or a micro-batch of one. variants/member binds it.
// Rust: `BatchRecord` in src/gpu/recording/record.rs.

struct Batch {
    // Position of the batch's first image in `order`.
    first: u32,
    // Images in the batch.
    count: u32,
    // Position of the batch's first image in `outcomes`.
    outcome: u32,
    // The step's number t = 1, 2, ...
    step: u32,
    // 1 if this is not the step's first micro-batch, else 0.
    follows: u32,
    // The factor of a sample's loss: for the mean, 1/(images in the step) or, with class weights, 1/(the sum of
    // the weights of their labels).
    loss_scale: f32,
    // The share of each target that is spread over all classes; 0 in evaluation.
    label_smoothing: f32,
    // The learning rate; for Adam, times 1/(1 - beta1^t).
    rate: f32,
    // Adam: 1/sqrt(1 - beta2^t).
    root_correction: f32,
    // Weight decay lambda; for Adam, times the learning rate.
    decay: f32,
    // Rows and columns of a stored image, and the words it takes.
    height: u32,
    width: u32,
    image_words: u32,
    // Rows above and columns to the left of the image within SIDE×SIDE.
    top: u32,
    left: u32,
    // The member of the population that the batch belongs to; 0 for a network alone.
    member: u32,
}
