// The gradient of a step that goes through the network in micro-batches:
//   accumulated = (0 for the first micro-batch, else accumulated) + the micro-batch's gradient
//
// The sum so far is left in `gradients` as well, where the update finds it after the last micro-batch.
//
// gradients, accumulated  [PARAMETERS]
// workspace  what gradients are made of (see gradients/)
//
// One invocation adds one value, at the speed of memory.

#import batch
#import gradient
#import grid

@group(0) @binding(12) var<storage, read_write> accumulated: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = invocation_index(id, groups);
    if at >= PARAMETERS {
        return;
    }
    var sum = whole_gradient(at);
    if batch.follows != 0u {
        sum = accumulated[at] + sum;
    }
    accumulated[at] = sum;
    gradients[at] = sum;
}
