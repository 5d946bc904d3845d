// norms[tensor] = sqrt(sum over the tensor of g²)
//
// The norms for gradient clipping (shared/clip.wgsl); the update needs all of them before it changes the
// first parameter. A norm that overflows would scale its gradient to 0 silently, so it is reported as a
// gradient that is not finite.
//
// gradients  [PARAMETERS]
// the source of the gradients: see variants/gradient/
// norms      [TENSORS]
// faults     norms that are not finite: see shared/faults.wgsl
//
// One workgroup per tensor; an invocation sums every WORKGROUP-th value. The invocations' sums are added by a
// tree reduction.
//
// CPU twin: src/cpu/gradient_norm.rs

#import shared/faults
#import shared/gradient_norms
#import shared/grid
#import shared/workgroup_sum
#import variants/gradient

@compute @workgroup_size(WORKGROUP)
fn gradient_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    select_member(group.z);
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
    for (var offset = begin + lane; offset < end; offset += WORKGROUP) {
        let gradient = whole_gradient(offset);
        sum += gradient * gradient;
    }
    let norm = sqrt(workgroup_sum(lane, sum));
    if lane == 0u {
        norms[tensors_start + tensor] = norm;
        if !is_finite(norm) {
            atomicMin(&faults[tensors_start + tensor].gradient, batch.step);
        }
    }
}
