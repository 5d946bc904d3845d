// The index of an invocation or a workgroup in the whole grid. A dispatch has at most 65,535 workgroups per
// dimension, so a large grid has several rows of workgroups; the last row may extend past the end of the
// work. The z of a workgroup is not part of its index: see variants/member. Rust: src/gpu/grid.rs.

fn invocation_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * WORKGROUP + id.x;
}

fn workgroup_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
