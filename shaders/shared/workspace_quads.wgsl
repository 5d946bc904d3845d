// The workspace again, four values at a time. A kernel that writes a place of the one reads it from the same.
@group(0) @binding(16) var<storage, read_write> workspace_quads: array<vec4<f32>>;
