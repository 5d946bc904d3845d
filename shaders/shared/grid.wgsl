// The number of an invocation, or of a workgroup, in the whole grid. A side of a grid has at most
// 65,535 workgroups, so a large one has rows of them; the last row may reach past what there is to do.
fn invocation_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * WORKGROUP + id.x;
}

fn workgroup_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
