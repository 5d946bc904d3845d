// Two neighbouring values of a row of the workspace, from a column on; what lies outside of the row is 0, and all of
// a row that is not `inside`. Rows begin at even places, are as long and are read from even columns on, so that it is
// one load. A column before the first has wrapped around and is "too large" as well.

// The workspace again, two values at a time. What a kernel reads by this name it does not write by the other.
@group(0) @binding(17) var<storage, read_write> workspace_pairs: array<vec2<f32>>;

fn row_pair(row: u32, column: u32, width: u32, inside: bool) -> vec2<f32> {
    let there = inside && column < width;
    return select(vec2(0.0), workspace_pairs[select(0u, (row + column) / 2u, there)], there);
}
