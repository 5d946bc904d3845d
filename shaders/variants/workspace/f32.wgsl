// The workspace as single values: for tensors of any offset, row length and block size.
//
// A row is a range of the workspace that begins at offset `row`. Values at or past column `end` are not part
// of it: they are loaded as 0 and not stored. A column before the first has wrapped around and is past the
// end as well.
#import shared/workspace

fn load(offset: u32) -> f32 {
    return workspace[workspace_start + offset];
}

// Two neighbouring values of a row; 0 unless `inside`.
fn load_vec2(row: u32, column: u32, end: u32, inside: bool) -> vec2<f32> {
    var values: vec2<f32>;
    for (var n = 0u; n < 2u; n++) {
        let valid = inside && column + n < end;
        values[n] = select(0.0, workspace[workspace_start + select(0u, row + column + n, valid)], valid);
    }
    return values;
}

// Four neighbouring values of a row.
fn load_vec4(row: u32, column: u32, end: u32) -> vec4<f32> {
    var values: vec4<f32>;
    for (var n = 0u; n < 4u; n++) {
        values[n] = select(0.0, workspace[workspace_start + row + min(column + n, end - 1u)], column + n < end);
    }
    return values;
}

fn store_vec2(row: u32, column: u32, end: u32, values: vec2<f32>) {
    for (var n = 0u; n < 2u; n++) {
        if column + n < end {
            workspace[workspace_start + row + column + n] = values[n];
        }
    }
}

fn store_vec4(row: u32, column: u32, end: u32, values: vec4<f32>) {
    for (var n = 0u; n < 4u; n++) {
        if column + n < end {
            workspace[workspace_start + row + column + n] = values[n];
        }
    }
}
