// dweight[o,i] = sum over b of dy[b,o] * x[b,i]
// dbias[o]     = sum over b of dy[b,o]
// dx[b,i]      = sum over o of dy[b,o] * weight[o,i], through the activation before the layer, whose output is x
//
// workspace   x and dx [B, INPUTS] at X and DX,  dy [B, OUTPUTS] at DY
// parameters  weight [OUTPUTS, INPUTS] at WEIGHT
// gradients   dweight [OUTPUTS, INPUTS] at WEIGHT,  dbias [OUTPUTS] at BIAS
//
// The two gradients do not depend on each other, so one dispatch computes both: the first WEIGHT_GROUPS
// workgroups compute dweight and dbias, the others dx. An invocation computes a block of BLOCK_ROWS ×
// BLOCK_INPUTS values in registers, both multiples of 4, as vec4s: with 4 × 4, 8 FMAs per load. The first
// block of inputs sums the biases as well. Neighbouring invocations compute neighbouring inputs.
//
// CPU twin: src/cpu/dense_backward.rs

#import shared/gradients
#import shared/grid
#import variants/activation
#import variants/member
#import variants/parameters
#import variants/workspace

const BLOCK_VEC4S = BLOCK_INPUTS / 4u;
const OUTPUT_BLOCKS = (OUTPUTS + BLOCK_ROWS - 1u) / BLOCK_ROWS;
const INPUT_BLOCKS = (INPUTS + BLOCK_INPUTS - 1u) / BLOCK_INPUTS;
const WEIGHT_GROUPS = (INPUT_BLOCKS * OUTPUT_BLOCKS + WORKGROUP - 1u) / WORKGROUP;

@compute @workgroup_size(WORKGROUP)
fn dense_backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    select_member(id.z);
    let index = invocation_index(id, groups);
    if index < WEIGHT_GROUPS * WORKGROUP {
        backward_weight(index);
    } else {
        backward_input(index - WEIGHT_GROUPS * WORKGROUP);
    }
}

fn backward_weight(block: u32) {
    let first_input = block % INPUT_BLOCKS * BLOCK_INPUTS;
    let first_output = block / INPUT_BLOCKS * BLOCK_ROWS;
    if first_output >= OUTPUTS {
        return;
    }

    var sums: array<array<vec4<f32>, BLOCK_VEC4S>, BLOCK_ROWS>;
    var bias_sums: array<f32, BLOCK_ROWS>;
    for (var b = 0u; b < batch.count; b++) {
        var x: array<vec4<f32>, BLOCK_VEC4S>;
        for (var q = 0u; q < BLOCK_VEC4S; q++) {
            x[q] = load_vec4(X + b * INPUTS, first_input + 4u * q, INPUTS);
        }
        for (var o = 0u; o < BLOCK_ROWS; o += 4u) {
            let dy = load_vec4(DY + b * OUTPUTS, first_output + o, OUTPUTS);
            for (var n = 0u; n < 4u; n++) {
                bias_sums[o + n] += dy[n];
                for (var q = 0u; q < BLOCK_VEC4S; q++) {
                    sums[o + n][q] += dy[n] * x[q];
                }
            }
        }
    }

    for (var o = 0u; o < BLOCK_ROWS; o++) {
        let output = first_output + o;
        if output >= OUTPUTS {
            continue;
        }
        for (var i = 0u; i < BLOCK_INPUTS; i++) {
            let input = first_input + i;
            if input < INPUTS {
                gradients[arena_start + WEIGHT + output * INPUTS + input] = sums[o][i / 4u][i % 4u];
            }
        }
        if first_input == 0u {
            gradients[arena_start + BIAS + output] = bias_sums[o];
        }
    }
}

fn backward_input(block: u32) {
    let first_input = block % INPUT_BLOCKS * BLOCK_INPUTS;
    let first_image = block / INPUT_BLOCKS * BLOCK_ROWS;
    if first_image >= batch.count {
        return;
    }

    // A block that extends past the last image computes the last image again and drops the result.
    var dy_start: array<u32, BLOCK_ROWS>;
    for (var b = 0u; b < BLOCK_ROWS; b++) {
        dy_start[b] = DY + min(first_image + b, batch.count - 1u) * OUTPUTS;
    }
    var sums: array<array<vec4<f32>, BLOCK_VEC4S>, BLOCK_ROWS>;
    for (var o = 0u; o < OUTPUTS; o += 4u) {
        var dy: array<vec4<f32>, BLOCK_ROWS>;
        for (var b = 0u; b < BLOCK_ROWS; b++) {
            dy[b] = load_vec4(dy_start[b], o, OUTPUTS);
        }
        for (var n = 0u; n < 4u; n++) {
            // Past the last output, dy is 0.
            let weight_start = WEIGHT + min(o + n, OUTPUTS - 1u) * INPUTS;
            for (var q = 0u; q < BLOCK_VEC4S; q++) {
                let weight = parameter_vec4(weight_start, first_input + 4u * q, INPUTS);
                for (var b = 0u; b < BLOCK_ROWS; b++) {
                    sums[b][q] += dy[b][n] * weight;
                }
            }
        }
    }

    for (var b = 0u; b < BLOCK_ROWS; b++) {
        for (var q = 0u; q < BLOCK_VEC4S; q++) {
            let first = first_input + 4u * q;
            let x = load_vec4(X + min(first_image + b, batch.count - 1u) * INPUTS, first, INPUTS);
            if first_image + b < batch.count {
                var dx: vec4<f32>;
                for (var n = 0u; n < 4u; n++) {
                    dx[n] = activate_backward(x[n], sums[b][q][n]);
                }
                store_vec4(DX + (first_image + b) * INPUTS, first, INPUTS, dx);
            }
        }
    }
}
