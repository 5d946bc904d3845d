// The workspace two values at a time: for tensors whose offset, row length, columns and ends of blocks are
// even, so that a pair is one load or one store. Pairs are stored whole: WGSL allows a store to one component
// of a vector to write the others too.
//
// A row is a range of the workspace that begins at offset `row`. Values at or past column `end` are not part
// of it: they are loaded as 0 and not stored. A column before the first has wrapped around and is past the
// end as well.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_WORKSPACE) var<storage, read_write> workspace: array<vec2<f32>>;

fn load(offset: u32) -> f32 {
    return workspace[(workspace_start + offset) / 2u][offset % 2u];
}

// Two neighbouring values of a row; 0 unless `inside`.
fn load_vec2(row: u32, column: u32, end: u32, inside: bool) -> vec2<f32> {
    let valid = inside && column < end;
    let offset = workspace_start + select(0u, row + column, valid);
    return select(vec2(0.0), workspace[offset / 2u], valid);
}

fn store_vec2(row: u32, column: u32, end: u32, values: vec2<f32>) {
    if column < end {
        workspace[(workspace_start + row + column) / 2u] = values;
    }
}
