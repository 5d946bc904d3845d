// The gradient of the parameter at a place of the arena, after the fused kernels. It is put into the arena too.
//   below PARTIAL_LEN, a convolution's: the sum of as many partial sums as images, or CHUNKS, in order
//   above, a dense layer's: dweight[o,i] = sum over b of dy[b,o] * x[b,i],  dbias[o] = sum over b of dy[b,o]
//
// workspace  partial sums [CHUNKS, PARTIAL_LEN] at PARTIALS,  x [B, inputs] and dy [B, outputs] of each layer at
//            DENSE_X and DENSE_DY
//
// Neighbours make neighbouring inputs' weights, so that they read neighbouring values of x and the same dy.

#import batch
#import gradients
#import workspace

fn whole_gradient(at: u32) -> f32 {
    var gradient = 0.0;
    if at < PARTIAL_LEN {
        for (var chunk = 0u; chunk < min(CHUNKS, batch.count); chunk++) {
            gradient += workspace[PARTIALS + chunk * PARTIAL_LEN + at];
        }
    } else {
        gradient = of_dense_layer(at);
    }
    gradients[at] = gradient;
    return gradient;
}

fn of_dense_layer(at: u32) -> f32 {
    var weights = DENSE_WEIGHT;
    var biases = DENSE_BIAS;
    var all_inputs = DENSE_INPUTS;
    var all_outputs = DENSE_OUTPUTS;
    var all_x = DENSE_X;
    var all_dy = DENSE_DY;
    // Layers stand one after the other, each weight before its bias.
    var layer = 0u;
    for (var other = 1u; other < DENSE_LAYERS; other++) {
        layer += u32(at >= weights[other]);
    }
    let inputs = all_inputs[layer];
    let outputs = all_outputs[layer];
    var dy = all_dy[layer];
    var sum = 0.0;
    if at >= biases[layer] {
        dy += at - biases[layer];
        for (var b = 0u; b < batch.count; b++) {
            sum += workspace[dy + b * outputs];
        }
        return sum;
    }
    dy += (at - weights[layer]) / inputs;
    let x = all_x[layer] + (at - weights[layer]) % inputs;
    for (var b = 0u; b < batch.count; b++) {
        sum += workspace[dy + b * outputs] * workspace[x + b * inputs];
    }
    return sum;
}
