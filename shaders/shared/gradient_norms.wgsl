// The 2-norm of each tensor's gradient, where it is clipped by norm.
@group(0) @binding(11) var<storage, read_write> norms: array<f32>;
