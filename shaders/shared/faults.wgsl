// For each tensor, the first step at which a value of it was not finite, and the first at which its gradient
// was not. Rust: `Fault` in src/gpu/recording/fault.rs.

#import shared/bindings
#import shared/finite
#import shared/tensors
#import variants/member

struct Fault {
    parameter: atomic<u32>,
    gradient: atomic<u32>,
}

@group(0) @binding(BINDING_FAULTS) var<storage, read_write> faults: array<Fault>;

// Checks the parameter at an offset of the arena before its update, and its gradient before it is clipped.
// The gradient is 0 for a parameter that has none.
fn check_finite(offset: u32, parameter: f32, gradient: f32) {
    if !is_finite(parameter) {
        atomicMin(&faults[tensors_start + tensor_of(offset)].parameter, batch.step);
    }
    if !is_finite(gradient) {
        atomicMin(&faults[tensors_start + tensor_of(offset)].gradient, batch.step);
    }
}
