// m = beta1*m + (1-beta1)*g,  v = beta2*v + (1-beta2)*g²
// p = p - lr*lambda*p - lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)
//
// Kingma and Ba's Adam over the whole arena, with g the gradient as it is clipped and decoupled weight decay
// lambda (Loshchilov and Hutter's AdamW). `rate` is lr/(1-beta1^t), `root_correction` is 1/sqrt(1-beta2^t),
// `decay` is lr*lambda; all are made on the host, in f64. Parameters are kept within ±BOUND where that
// is not 0.
//
// parameters, gradients, first_moment, second_moment  [PARAMETERS]
// workspace  what gradients are made of (see gradients/)
// faults     what is not finite (see shared/faults.wgsl)
// norms      [TENSORS], where gradients are clipped by norm (see shared/clip.wgsl)
//
// One invocation updates one parameter: 4 loads and 3 stores for some 12 operations, so it goes at the
// speed of memory; parameters with partial sums load CHUNKS more.

#import batch
#import clip
#import faults
#import gradient
#import grid

@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(6) var<storage, read_write> first_moment: array<f32>;
@group(0) @binding(7) var<storage, read_write> second_moment: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = invocation_index(id, groups);
    if at >= PARAMETERS {
        return;
    }
    // Asked for before the gradient is made, which takes its time.
    let parameter = parameters[at];
    let first_before = first_moment[at];
    let second_before = second_moment[at];
    let found = whole_gradient(at);
    note_faults(at, parameter, found);

    let gradient = clipped(found, at);
    let first = BETA1 * first_before + (1.0 - BETA1) * gradient;
    let second = BETA2 * second_before + (1.0 - BETA2) * gradient * gradient;
    first_moment[at] = first;
    second_moment[at] = second;
    let decayed = parameter - batch.decay * parameter;
    let updated = decayed - batch.rate * first / (sqrt(second) * batch.root_correction + EPS);
    parameters[at] = limited(updated, BOUND);
}
