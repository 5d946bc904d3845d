// Four values of a row of the workspace or of the parameters from its i-th on, 0 past its end, each loaded by itself:
// for rows of any place and length.
#import parameters
#import workspace

fn workspace_quad(row: u32, i: u32, len: u32) -> vec4<f32> {
    var quad: vec4<f32>;
    for (var n = 0u; n < 4u; n++) {
        quad[n] = select(0.0, workspace[row + min(i + n, len - 1u)], i + n < len);
    }
    return quad;
}

fn parameter_quad(row: u32, i: u32, len: u32) -> vec4<f32> {
    var quad: vec4<f32>;
    for (var n = 0u; n < 4u; n++) {
        quad[n] = select(0.0, parameters[row + min(i + n, len - 1u)], i + n < len);
    }
    return quad;
}
