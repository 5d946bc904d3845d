// For each tensor the first step at which it, and at which its gradient, was not finite. Its twin is `Fault`.

#import batch
#import finite
#import tensors

struct Fault {
    parameter: atomic<u32>,
    gradient: atomic<u32>,
}

@group(0) @binding(10) var<storage, read_write> faults: array<Fault, TENSORS>;

// Looks at the parameter at a place of the arena, before it is updated, and at its gradient, before it is
// clipped; 0 where it has none.
fn note_faults(at: u32, parameter: f32, gradient: f32) {
    if !is_finite(parameter) {
        atomicMin(&faults[tensor_of(at)].parameter, batch.step);
    }
    if !is_finite(gradient) {
        atomicMin(&faults[tensor_of(at)].gradient, batch.step);
    }
}
