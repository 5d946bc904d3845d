// Everything between the input and the gradients: activations, argmax, deltas, partial sums.
// Each has a place of its own, written into the kernels that use it.
@group(0) @binding(8) var<storage, read_write> workspace: array<f32>;
