// For each tensor the first step at which it, and at which its gradient, was not finite. The twin of a
// member is `Fault`.
struct Fault {
    parameter: atomic<u32>,
    gradient: atomic<u32>,
}

@group(0) @binding(10) var<storage, read_write> faults: array<Fault>;
