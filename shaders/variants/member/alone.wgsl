// A network alone. What belongs to it begins at the start of each buffer, so that these starts cost nothing. A
// dynamic offset selects the record of its batch.

#import shared/batch
#import shared/bindings

@group(0) @binding(BINDING_BATCH) var<uniform> batch: Batch;

// In the parameter arena, the gradients, the moments and the accumulated gradients.
const arena_start = 0u;
const workspace_start = 0u;
const partials_start = 0u;
// In the norms and the faults of tensors.
const tensors_start = 0u;
// In the weights of the classes.
const classes_start = 0u;

// See population.wgsl.
fn select_member(z: u32) -> u32 {
    return batch.count;
}
