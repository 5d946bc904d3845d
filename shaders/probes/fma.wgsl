// sum = sum*x + y, over and over, in eight sums that do not wait for one another.
//
// factors  x and y, which are not known before
// sums     [invocations], the total of each invocation's eight sums
//
// One invocation makes ROUNDS × 8 × 8 FMAs and no loads to speak of: the most arithmetic that a device does.

@group(0) @binding(0) var<storage, read> factors: array<f32, 2>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn probe_fma(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = vec4(factors[0]);
    let y = vec4(factors[1]);
    var a = vec4(f32(id.x)) + vec4(0.0, 1.0, 2.0, 3.0);
    var b = a + 4.0;
    for (var round = 0u; round < ROUNDS; round++) {
        // Written out eight times, so that the loop itself costs next to nothing.
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
