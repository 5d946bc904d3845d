// b = mu*b + g + lambda*p
// p = p - lr*b, or with Nesterov momentum p - lr*(g + lambda*p + mu*b)
//
// Gradient descent over the whole arena, where g is the clipped gradient, with momentum mu (MOMENTUM) and
// weight decay lambda (`decay` in the step's record). The momentum buffer b is first_moment and begins as 0;
// it is not written if MOMENTUM is 0. Parameters are limited to ±BOUND if it is not 0.
//
// parameters, gradients, first_moment  [PARAMETERS]
// the source of the gradients: see variants/gradient/
// faults  values that are not finite: see shared/faults.wgsl
// norms   [TENSORS], used if gradients are clipped by norm: see shared/clip.wgsl
//
// One invocation updates one parameter. Bandwidth-bound; parameters with partial sums take up to CHUNKS more
// loads.
//
// CPU twin: src/cpu/sgd.rs

#import shared/bindings
#import shared/clip
#import shared/faults
#import variants/gradient
#import variants/member
#import variants/updated

@group(0) @binding(BINDING_PARAMETERS) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(BINDING_FIRST_MOMENT) var<storage, read_write> first_moment: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn sgd(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    if index >= PARAMETERS {
        return;
    }
    let parameter = parameters[arena_start + index];
    let unclipped = whole_gradient(index);
    check_finite(index, parameter, unclipped);

    let gradient = clipped(unclipped, index) + batch.decay * parameter;
    var direction = gradient;
    if MOMENTUM > 0.0 {
        let momentum = MOMENTUM * first_moment[arena_start + index] + gradient;
        first_moment[arena_start + index] = momentum;
        direction = select(momentum, gradient + MOMENTUM * momentum, NESTEROV);
    }
    parameters[arena_start + index] = limited(parameter - batch.rate * direction, BOUND);
}
