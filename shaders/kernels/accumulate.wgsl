// The gradient of a step that is computed in several micro-batches:
//   accumulated = (0 for the first micro-batch, else accumulated) + the micro-batch's gradient
//
// The sum is also stored in `gradients`, where the update finds it after the last micro-batch.
//
// gradients, accumulated  [PARAMETERS]
// the source of the gradients: see variants/gradient/
//
// One invocation adds one value. Bandwidth-bound.
//
// CPU twin: src/cpu/accumulate.rs

#import shared/bindings
#import shared/grid
#import variants/gradient
#import variants/member

@group(0) @binding(BINDING_ACCUMULATED) var<storage, read_write> accumulated: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    if index >= PARAMETERS {
        return;
    }
    var sum = whole_gradient(index);
    if batch.follows != 0u {
        sum = accumulated[arena_start + index] + sum;
    }
    accumulated[arena_start + index] = sum;
    gradients[arena_start + index] = sum;
}
