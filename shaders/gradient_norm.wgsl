// norms[tensor] = sqrt(sum over the tensor of g²)
//
// The norms that clipping goes by (see shared/clip.wgsl): the update needs all of them before it touches a
// parameter. One that overflows would cut its gradient down to 0 without a word, so it is reported as a
// gradient that is not finite.
//
// gradients  [parameters of all tensors]
// workspace  what gradients are made of (see gradients/)
// norms      [TENSORS]
// faults     norms that are not finite (see shared/faults.wgsl)
//
// A workgroup takes one tensor and a lane every WORKGROUP-th value of it. Lanes' sums are added in pairs.

#import faults
#import gradient
#import gradient_norms
#import grid
#import workgroup_sum

@compute @workgroup_size(WORKGROUP)
fn gradient_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = workgroup_index(group, groups);
    if tensor >= TENSORS {
        return;
    }
    var ends = TENSOR_ENDS;
    var begin = 0u;
    if tensor > 0u {
        begin = ends[tensor - 1u];
    }
    let end = ends[tensor];
    var sum = 0.0;
    for (var at = begin + lane; at < end; at += WORKGROUP) {
        let gradient = whole_gradient(at);
        sum += gradient * gradient;
    }
    let norm = sqrt(workgroup_sum(lane, sum));
    if lane == 0u {
        norms[tensor] = norm;
        if !is_finite(norm) {
            atomicMin(&faults[tensor].gradient, batch.step);
        }
    }
}
