// y[b,o] = act(bias[o] + sum over i of x[b,i] * weight[o,i])
//
// workspace   x [B, INPUTS] at X,  y [B, OUTPUTS] at Y
// parameters  weight [OUTPUTS, INPUTS] at WEIGHT,  bias [OUTPUTS] at BIAS
//
// One invocation computes a block of BLOCK_IMAGES × BLOCK_OUTPUTS outputs in registers: for every four
// inputs, BLOCK_IMAGES + BLOCK_OUTPUTS loads of a vec4 and four times their product of FMAs (4 × 4: 8 FMAs
// per load). Neighbouring invocations compute neighbouring outputs of the same images.
//
// CPU twin: src/cpu/dense_forward.rs

#import shared/grid
#import variants/activation
#import variants/member
#import variants/parameters
#import variants/workspace

const OUTPUT_BLOCKS = (OUTPUTS + BLOCK_OUTPUTS - 1u) / BLOCK_OUTPUTS;
const_assert BLOCK_OUTPUTS % 4u == 0u;

@compute @workgroup_size(WORKGROUP)
fn dense_forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    let first_output = index % OUTPUT_BLOCKS * BLOCK_OUTPUTS;
    let first_image = index / OUTPUT_BLOCKS * BLOCK_IMAGES;
    if first_image >= batch.count {
        return;
    }

    // A block that extends past the last image or output computes the last one again and drops the result.
    var x_start: array<u32, BLOCK_IMAGES>;
    for (var b = 0u; b < BLOCK_IMAGES; b++) {
        x_start[b] = X + min(first_image + b, batch.count - 1u) * INPUTS;
    }
    var weight_start: array<u32, BLOCK_OUTPUTS>;
    var sums: array<array<f32, BLOCK_OUTPUTS>, BLOCK_IMAGES>;
    for (var o = 0u; o < BLOCK_OUTPUTS; o++) {
        let output = min(first_output + o, OUTPUTS - 1u);
        weight_start[o] = WEIGHT + output * INPUTS;
        for (var b = 0u; b < BLOCK_IMAGES; b++) {
            sums[b][o] = parameter(BIAS + output);
        }
    }

    for (var i = 0u; i < INPUTS; i += 4u) {
        var weight: array<vec4<f32>, BLOCK_OUTPUTS>;
        for (var o = 0u; o < BLOCK_OUTPUTS; o++) {
            weight[o] = parameter_vec4(weight_start[o], i, INPUTS);
        }
        for (var b = 0u; b < BLOCK_IMAGES; b++) {
            let x = load_vec4(x_start[b], i, INPUTS);
            for (var o = 0u; o < BLOCK_OUTPUTS; o++) {
                sums[b][o] += dot(x, weight[o]);
            }
        }
    }

    for (var b = 0u; b < BLOCK_IMAGES; b++) {
        for (var o = 0u; o < BLOCK_OUTPUTS; o += 4u) {
            if first_image + b < batch.count {
                var y: vec4<f32>;
                for (var n = 0u; n < 4u; n++) {
                    y[n] = activate(sums[b][o + n]);
                }
                store_vec4(Y + (first_image + b) * OUTPUTS, first_output + o, OUTPUTS, y);
            }
        }
    }
}
