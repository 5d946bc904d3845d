// b = mu*b + g + lambda*p
// p = p - lr*b, or p - lr*(g + lambda*p + mu*b) after Nesterov
//
// Gradient descent over the whole arena, with g the gradient as it is clipped, momentum mu (MOMENTUM) and
// weight decay lambda (`decay`). b stands in first_moment and begins as 0; without momentum it is not kept.
// Parameters are kept within ±BOUND where that is not 0.
//
// parameters, gradients, first_moment  [PARAMETERS]
// workspace  what gradients are made of (see gradients/)
// faults     what is not finite (see shared/faults.wgsl)
// norms      [TENSORS], where gradients are clipped by norm (see shared/clip.wgsl)
//
// One invocation updates one parameter, at the speed of memory; parameters with partial sums load CHUNKS
// values more.

#import batch
#import clip
#import faults
#import gradient
#import grid

@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(6) var<storage, read_write> first_moment: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn sgd(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = invocation_index(id, groups);
    if at >= PARAMETERS {
        return;
    }
    let parameter = parameters[at];
    let found = whole_gradient(at);
    note_faults(at, parameter, found);

    let gradient = clipped(found, at) + batch.decay * parameter;
    var direction = gradient;
    if MOMENTUM > 0.0 {
        let momentum = MOMENTUM * first_moment[at] + gradient;
        first_moment[at] = momentum;
        direction = select(momentum, gradient + MOMENTUM * momentum, NESTEROV);
    }
    parameters[at] = limited(parameter - batch.rate * direction, BOUND);
}
