// copy[i] = source[i]
//
// source, copy  [invocations] of four values each
//
// One invocation copies 16 bytes: the most that a device reads and writes, as the buffers are larger than
// what caches hold.

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> copy: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn probe_copy(@builtin(global_invocation_id) id: vec3<u32>) {
    copy[id.x] = source[id.x];
}
