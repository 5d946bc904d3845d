// m = beta1*m + (1-beta1)*g,  v = beta2*v + (1-beta2)*g²
// p = p - lr*lambda*p - lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)
//
// Adam (Kingma and Ba) over the whole arena, where g is the clipped gradient, with decoupled weight decay
// lambda (AdamW, Loshchilov and Hutter). In the step's record, `rate` is lr/(1-beta1^t), `root_correction` is
// 1/sqrt(1-beta2^t) and `decay` is lr*lambda; the host computes them in f64. Parameters are limited to ±BOUND
// if it is not 0.
//
// parameters, gradients, first_moment, second_moment  [PARAMETERS]
// the source of the gradients: see variants/gradient/
// faults  values that are not finite: see shared/faults.wgsl
// norms   [TENSORS], used if gradients are clipped by norm: see shared/clip.wgsl
//
// One invocation updates one parameter: 4 loads and 3 stores for about 12 operations, so the kernel is
// bandwidth-bound. Parameters with partial sums take up to CHUNKS more loads.
//
// CPU twin: src/cpu/adam.rs

#import shared/bindings
#import shared/clip
#import shared/faults
#import variants/gradient
#import variants/member
#import variants/updated

@group(0) @binding(BINDING_PARAMETERS) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(BINDING_FIRST_MOMENT) var<storage, read_write> first_moment: array<f32>;
@group(0) @binding(BINDING_SECOND_MOMENT) var<storage, read_write> second_moment: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    if index >= PARAMETERS {
        return;
    }
    // Loaded before the gradient is summed, to hide load latency.
    let parameter = parameters[arena_start + index];
    let first_before = first_moment[arena_start + index];
    let second_before = second_moment[arena_start + index];
    let unclipped = whole_gradient(index);
    check_finite(index, parameter, unclipped);

    let gradient = clipped(unclipped, index);
    let first = BETA1 * first_before + (1.0 - BETA1) * gradient;
    let second = BETA2 * second_before + (1.0 - BETA2) * gradient * gradient;
    first_moment[arena_start + index] = first;
    second_moment[arena_start + index] = second;
    let decayed = parameter - batch.decay * parameter;
    let updated = decayed - batch.rate * first / (sqrt(second) * batch.root_correction + EPS);
    parameters[arena_start + index] = limited(updated, BOUND);
}
