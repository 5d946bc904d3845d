// The workspace four values at a time: for tensors whose offset and row length are multiples of 4, so that
// four values are one load or one store. They are stored whole: WGSL allows a store to one component of a
// vector to write the others too.
//
// A row is a range of the workspace that begins at offset `row`. Values at or past column `end` are not part
// of it: they are loaded as 0 and not stored.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_WORKSPACE) var<storage, read_write> workspace: array<vec4<f32>>;

// Four neighbouring values of a row.
fn load_vec4(row: u32, column: u32, end: u32) -> vec4<f32> {
    let offset = workspace_start + row + min(column, end - 4u);
    return select(vec4(0.0), workspace[offset / 4u], column < end);
}

fn store_vec4(row: u32, column: u32, end: u32, values: vec4<f32>) {
    if column < end {
        workspace[(workspace_start + row + column) / 4u] = values;
    }
}
