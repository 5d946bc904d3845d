// m = beta1*m + (1-beta1)*g,  v = beta2*v + (1-beta2)*g²
// p = p - lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)
//
// Kingma and Ba's Adam over the whole arena. `rate` is lr/(1-beta1^t), `root_correction` is
// 1/sqrt(1-beta2^t); both are made on the host, in f64. The gradient of a parameter below PARTIAL_LEN is
// the sum of its CHUNKS partial sums, in order; it is put into the arena with the others.
//
// parameters, gradients, first_moment, second_moment  [PARAMETERS]
// workspace  partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS
// faults     for each tensor the first step at which it, and at which its gradient, was not finite
//
// One invocation updates one parameter: 4 loads and 3 stores for some 12 operations, so it goes at the
// speed of memory; parameters with partial sums load CHUNKS more.

#import batch
#import faults
#import finite
#import gradients
#import grid
#import workspace

@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(6) var<storage, read_write> first_moment: array<f32>;
@group(0) @binding(7) var<storage, read_write> second_moment: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = invocation_index(id, groups);
    if at >= PARAMETERS {
        return;
    }

    var gradient = 0.0;
    if at < PARTIAL_LEN {
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            gradient += workspace[PARTIALS + chunk * PARTIAL_LEN + at];
        }
        gradients[at] = gradient;
    } else {
        gradient = gradients[at];
    }

    let parameter = parameters[at];
    if !is_finite(parameter) {
        atomicMin(&faults[tensor_of(at)].parameter, batch.step);
    }
    if !is_finite(gradient) {
        atomicMin(&faults[tensor_of(at)].gradient, batch.step);
    }

    let first = batch.beta1 * first_moment[at] + (1.0 - batch.beta1) * gradient;
    let second = batch.beta2 * second_moment[at] + (1.0 - batch.beta2) * gradient * gradient;
    first_moment[at] = first;
    second_moment[at] = second;
    parameters[at] = parameter - batch.rate * first / (sqrt(second) * batch.root_correction + batch.eps);
}

// Which tensor a place in the arena belongs to.
fn tensor_of(at: u32) -> u32 {
    var ends = TENSOR_ENDS;
    var tensor = 0u;
    while at >= ends[tensor] {
        tensor++;
    }
    return tensor;
}
