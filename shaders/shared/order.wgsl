// Which image is the n-th of the pass.
@group(0) @binding(2) var<storage, read> order: array<u32>;
