// The last layer and the loss, in one kernel:
//   z[b,k] = bias[k] + sum over i of x[b,i] * weight[k,i]
// and from it the outputs [b,k], the gradient dz[b,k] and the loss[b]: see variants/loss/.
//
// workspace      x [B, INPUTS] at X,  outputs and dz [B, CLASSES] at OUTPUTS and DZ
// parameters     weight [CLASSES, INPUTS] at WEIGHT,  bias [CLASSES] at BIAS
// order, labels  the class of each image
// outcomes       loss and predicted class of each image
//
// One workgroup per image; an invocation computes every WORKGROUP-th class.
//
// CPU twin: src/cpu/dense_loss.rs

#import shared/grid
#import shared/labels
#import shared/last_layer
#import shared/order
#import variants/loss
#import variants/member

@compute @workgroup_size(WORKGROUP)
fn dense_loss(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let count = select_member(group.z);
    let image = workgroup_index(group, groups);
    if image >= count {
        return;
    }
    compute_logits(image, lane);

    let terms = loss_terms(0u, labels[order[batch.first + image]]);
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        let output = loss_output(terms, k);
        workspace[workspace_start + OUTPUTS + image * CLASSES + k] = output;
        workspace[workspace_start + DZ + image * CLASSES + k] = loss_gradient(terms, k, output);
    }
    if lane == 0u {
        outcomes[batch.outcome + image] = loss_outcome(terms);
    }
}
