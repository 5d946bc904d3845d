// dweight[o,i] = sum over b of dy[b,o] * x[b,i]
// dbias[o]     = sum over b of dy[b,o]
// dx[b,i]      = sum over o of dy[b,o] * weight[o,i], through the activation before the layer, whose
//                output is x
//
// workspace   x and dx [B, INPUTS] at X and DX,  dy [B, OUTPUTS] at DY
// parameters  weight [OUTPUTS, INPUTS] at WEIGHT
// gradients   dweight [OUTPUTS, INPUTS] at WEIGHT,  dbias [OUTPUTS] at BIAS
//
// Both need only what is there already, so one dispatch does both: the first WEIGHT_GROUPS workgroups
// make the weight's gradient, the others make dx. An invocation makes a block of BLOCK_ROWS × BLOCK_INPUTS
// values in registers: for each term, BLOCK_ROWS + BLOCK_INPUTS loads and their product of FMAs (4 × 4:
// 2 FMAs a load). Neighbours make neighbouring inputs.

#import activation
#import batch
#import gradients
#import grid
#import parameters
#import workspace

// The bias is the weight of one more input that is always 1.
const TERMS = INPUTS + 1u;
const TERM_BLOCKS = (TERMS + BLOCK_INPUTS - 1u) / BLOCK_INPUTS;
const OUTPUT_BLOCKS = (OUTPUTS + BLOCK_ROWS - 1u) / BLOCK_ROWS;
const INPUT_BLOCKS = (INPUTS + BLOCK_INPUTS - 1u) / BLOCK_INPUTS;
const WEIGHT_GROUPS = (TERM_BLOCKS * OUTPUT_BLOCKS + WORKGROUP - 1u) / WORKGROUP;

@compute @workgroup_size(WORKGROUP)
fn dense_backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation_index(id, groups);
    if index < WEIGHT_GROUPS * WORKGROUP {
        backward_weight(index);
    } else {
        backward_input(index - WEIGHT_GROUPS * WORKGROUP);
    }
}

fn backward_weight(block: u32) {
    let first_input = block % TERM_BLOCKS * BLOCK_INPUTS;
    let first_output = block / TERM_BLOCKS * BLOCK_ROWS;
    if first_output >= OUTPUTS {
        return;
    }

    var sums: array<array<f32, BLOCK_INPUTS>, BLOCK_ROWS>;
    for (var b = 0u; b < batch.count; b++) {
        var x: array<f32, BLOCK_INPUTS>;
        for (var i = 0u; i < BLOCK_INPUTS; i++) {
            let input = first_input + i;
            x[i] = select(workspace[X + b * INPUTS + min(input, INPUTS - 1u)], 1.0, input >= INPUTS);
        }
        for (var o = 0u; o < BLOCK_ROWS; o++) {
            let dy = workspace[DY + b * OUTPUTS + min(first_output + o, OUTPUTS - 1u)];
            for (var i = 0u; i < BLOCK_INPUTS; i++) {
                sums[o][i] += dy * x[i];
            }
        }
    }

    for (var o = 0u; o < BLOCK_ROWS; o++) {
        let output = first_output + o;
        for (var i = 0u; i < BLOCK_INPUTS; i++) {
            let input = first_input + i;
            if output < OUTPUTS && input < INPUTS {
                gradients[WEIGHT + output * INPUTS + input] = sums[o][i];
            } else if output < OUTPUTS && input == INPUTS {
                gradients[BIAS + output] = sums[o][i];
            }
        }
    }
}

fn backward_input(block: u32) {
    let first_input = block % INPUT_BLOCKS * BLOCK_INPUTS;
    let first_image = block / INPUT_BLOCKS * BLOCK_ROWS;
    if first_image >= batch.count {
        return;
    }

    var sums: array<array<f32, BLOCK_INPUTS>, BLOCK_ROWS>;
    for (var o = 0u; o < OUTPUTS; o++) {
        var weight: array<f32, BLOCK_INPUTS>;
        for (var i = 0u; i < BLOCK_INPUTS; i++) {
            weight[i] = parameters[WEIGHT + o * INPUTS + min(first_input + i, INPUTS - 1u)];
        }
        for (var b = 0u; b < BLOCK_ROWS; b++) {
            let dy = workspace[DY + min(first_image + b, batch.count - 1u) * OUTPUTS + o];
            for (var i = 0u; i < BLOCK_INPUTS; i++) {
                sums[b][i] += dy * weight[i];
            }
        }
    }

    for (var b = 0u; b < BLOCK_ROWS; b++) {
        for (var i = 0u; i < BLOCK_INPUTS; i++) {
            if first_image + b < batch.count && first_input + i < INPUTS {
                let at = (first_image + b) * INPUTS + first_input + i;
                workspace[DX + at] = activate_backward(workspace[X + at], sums[b][i]);
            }
        }
    }
}
