// sum = sum*x + y, repeated, in eight independent sums, to measure the operations per second that a device
// performs.
//
// factors  x and y, in a buffer so that the compiler does not know them
// sums     [invocations], the total of each invocation's eight sums
//
// One invocation performs ROUNDS × 8 × 8 FMAs and two loads. Counterpart: src/cpu/ceilings.rs

#import shared/bindings

@group(0) @binding(BINDING_CEILING_INPUT) var<storage, read> factors: array<f32, 2>;
@group(0) @binding(BINDING_CEILING_OUTPUT) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn ceiling_fma(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = vec4(factors[0]);
    let y = vec4(factors[1]);
    var a = vec4(f32(id.x)) + vec4(0.0, 1.0, 2.0, 3.0);
    var b = a + 4.0;
    for (var round = 0u; round < ROUNDS; round++) {
        // Unrolled eight times so that the loop itself costs almost nothing.
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
        a = fma(a, x, y);
        b = fma(b, x, y);
    }
    sums[id.x] = dot(a + b, vec4(1.0));
}
