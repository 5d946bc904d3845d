// The parameter arena again, four values at a time: a layer whose weight begins at a multiple of four, and whose
// rows are as long, is loaded in a quarter of the instructions.
@group(0) @binding(14) var<storage, read> quads: array<vec4<f32>>;
