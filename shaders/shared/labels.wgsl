// The class of each image.
@group(0) @binding(3) var<storage, read> labels: array<u32>;
