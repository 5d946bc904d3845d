// copy[i] = source[i], to measure the bytes per second that a device reads and writes.
//
// source, copy  [invocations] of four values each, both larger than the caches
//
// One invocation copies 16 bytes. Counterpart: src/cpu/ceilings.rs

#import shared/bindings

@group(0) @binding(BINDING_CEILING_INPUT) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(BINDING_CEILING_OUTPUT) var<storage, read_write> copy: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn ceiling_copy(@builtin(global_invocation_id) id: vec3<u32>) {
    copy[id.x] = source[id.x];
}
