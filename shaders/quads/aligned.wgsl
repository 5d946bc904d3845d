// Four values of a row of the workspace or of the parameters from its i-th on, 0 past its end. Rows begin at multiples
// of four and are as long, so that it is one load.
#import quads

// The workspace again, four values at a time. What a kernel reads by this name it does not write by the other.
@group(0) @binding(16) var<storage, read_write> workspace_quads: array<vec4<f32>>;

fn workspace_quad(row: u32, i: u32, len: u32) -> vec4<f32> {
    return select(vec4(0.0), workspace_quads[(row + min(i, len - 4u)) / 4u], i < len);
}

fn parameter_quad(row: u32, i: u32, len: u32) -> vec4<f32> {
    return select(vec4(0.0), quads[(row + min(i, len - 4u)) / 4u], i < len);
}
