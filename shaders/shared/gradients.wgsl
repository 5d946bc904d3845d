// The gradient arena, laid out as the parameters are.
@group(0) @binding(5) var<storage, read_write> gradients: array<f32>;
