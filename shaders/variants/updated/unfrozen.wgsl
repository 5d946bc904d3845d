// The index of an invocation among the parameters that are not frozen, as an offset of the arena: that of
// shared/grid.wgsl, past all frozen ranges that begin at or before it.

fn invocation_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    var starts = FROZEN_STARTS;
    var lengths = FROZEN_LENGTHS;
    var offset = id.y * groups.x * WORKGROUP + id.x;
    for (var n = 0u; n < FROZEN_RANGES; n++) {
        if offset >= starts[n] {
            offset += lengths[n];
        }
    }
    return offset;
}
