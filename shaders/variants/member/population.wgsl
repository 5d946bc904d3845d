// A population: the workgroups with the same z work on the batch of one member. A dynamic offset selects the
// records of the batches that are computed at the same time, one for each member that takes part. The host adds
// the member's start in `order`, `views` and `outcomes` to the record; images and labels belong to all members.

#import shared/batch
#import shared/bindings

@group(0) @binding(BINDING_BATCH) var<uniform> batches: array<Batch, POPULATION>;

var<private> batch: Batch;
// Where the member's part of a buffer begins: of the parameter arena, the gradients, the moments and the
// accumulated gradients; the workspace; the partial sums; the norms and faults of tensors; the weights of the
// classes. The first two are multiples of 4.
var<private> arena_start: u32;
var<private> workspace_start: u32;
var<private> partials_start: u32;
var<private> tensors_start: u32;
var<private> classes_start: u32;

// Selects the record and the starts of a workgroup's member; every kernel calls it first. Returns the number of
// images in the batch: `batch.count`, but for an analysis of barriers, which knows that this value is the same for
// the whole workgroup.
fn select_member(z: u32) -> u32 {
    batch = batches[z];
    arena_start = batch.member * ARENA_STRIDE;
    workspace_start = batch.member * WORKSPACE_STRIDE;
    partials_start = batch.member * PARTIALS_STRIDE;
    tensors_start = batch.member * TENSORS_STRIDE;
    classes_start = batch.member * CLASSES_STRIDE;
    return batches[z].count;
}
