// The index of an invocation or a workgroup in the whole grid. A dispatch has at most 65,535 workgroups per
// dimension, so a large grid has several rows of workgroups; the last row may extend past the end of the
// work. Rust: src/gpu/grid.rs.

fn invocation_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * WORKGROUP + id.x;
}

fn workgroup_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
