// The parameter arena; a tensor's place in it is written into the kernel.
@group(0) @binding(4) var<storage, read> parameters: array<f32>;
