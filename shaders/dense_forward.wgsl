// y[b,o] = act(bias[o] + sum over i of x[b,i] * weight[o,i])
//
// workspace   x [B, INPUTS] at X,  y [B, OUTPUTS] at Y
// parameters  weight [OUTPUTS, INPUTS] at WEIGHT,  bias [OUTPUTS] at BIAS
//
// One invocation makes a block of BLOCK_IMAGES × BLOCK_OUTPUTS outputs in registers: for each quad of inputs,
// BLOCK_IMAGES + BLOCK_OUTPUTS loads (see quads/) and four times their product of FMAs (4 × 4: 8 FMAs a load).
// Neighbours make neighbouring outputs of the same images.

#import activation
#import batch
#import grid
#import parameters
#import quad
#import workspace

const OUTPUT_BLOCKS = (OUTPUTS + BLOCK_OUTPUTS - 1u) / BLOCK_OUTPUTS;

@compute @workgroup_size(WORKGROUP)
fn dense_forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    let first_output = index % OUTPUT_BLOCKS * BLOCK_OUTPUTS;
    let first_image = index / OUTPUT_BLOCKS * BLOCK_IMAGES;
    if first_image >= batch.count {
        return;
    }

    // A block may reach past the last image or output: it computes that one again and drops it.
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
            sums[b][o] = parameters[BIAS + output];
        }
    }

    for (var i = 0u; i < INPUTS; i += 4u) {
        var weight: array<vec4<f32>, BLOCK_OUTPUTS>;
        for (var o = 0u; o < BLOCK_OUTPUTS; o++) {
            weight[o] = parameter_quad(weight_start[o], i, INPUTS);
        }
        for (var b = 0u; b < BLOCK_IMAGES; b++) {
            let x = workspace_quad(x_start[b], i, INPUTS);
            for (var o = 0u; o < BLOCK_OUTPUTS; o++) {
                sums[b][o] += dot(x, weight[o]);
            }
        }
    }

    for (var b = 0u; b < BLOCK_IMAGES; b++) {
        for (var o = 0u; o < BLOCK_OUTPUTS; o++) {
            if first_image + b < batch.count && first_output + o < OUTPUTS {
                workspace[Y + (first_image + b) * OUTPUTS + first_output + o] = activate(sums[b][o]);
            }
        }
    }
}
