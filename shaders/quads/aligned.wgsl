// Four values of a row of the workspace or of the parameters from its i-th on, 0 past its end. Rows begin at multiples
// of four and are as long, so that it is one load.
#import quads
#import workspace_quads

fn workspace_quad(row: u32, i: u32, len: u32) -> vec4<f32> {
    return select(vec4(0.0), workspace_quads[(row + min(i, len - 4u)) / 4u], i < len);
}

fn parameter_quad(row: u32, i: u32, len: u32) -> vec4<f32> {
    return select(vec4(0.0), quads[(row + min(i, len - 4u)) / 4u], i < len);
}
