// Two neighbouring values of a row of the workspace, from a column on; what lies outside of the row is 0, and all of
// a row that is not `inside`. A column before the first has wrapped around and is "too large" as well.
#import workspace

fn row_pair(row: u32, column: u32, width: u32, inside: bool) -> vec2<f32> {
    var pair: vec2<f32>;
    for (var n = 0u; n < 2u; n++) {
        let there = inside && column + n < width;
        pair[n] = select(0.0, workspace[select(0u, row + column + n, there)], there);
    }
    return pair;
}
