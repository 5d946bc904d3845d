// The gradient of the parameter at an offset of the arena, after the fused kernels. It is also stored in the
// arena.
//   below PARTIAL_LEN, a convolution's: the sum of the partial sums
//   above, a dense layer's: dweight[o,i] = sum over b of dy[b,o] * x[b,i],  dbias[o] = sum over b of dy[b,o]
//
// workspace  x [B, inputs] and dy [B, outputs] of each layer at DENSE_X and DENSE_DY
//
// Neighbouring invocations compute the weights of neighbouring inputs, so they read neighbouring values of x
// and the same dy.

#import shared/gradients
#import shared/sum_of_partials
#import shared/workspace
#import variants/member

fn whole_gradient(offset: u32) -> f32 {
    var gradient = 0.0;
    if offset < PARTIAL_LEN {
        gradient = sum_of_partials(offset);
    } else {
        gradient = dense_gradient(offset);
    }
    gradients[arena_start + offset] = gradient;
    return gradient;
}

fn dense_gradient(offset: u32) -> f32 {
    let layer = dense_layer_of(offset);
    let is_bias = offset >= layer.bias;
    let within = select(offset - layer.weight, (offset - layer.bias) * layer.inputs, is_bias);
    let dy = layer.dy + within / layer.inputs;
    let x = layer.x + within % layer.inputs;
    var sum = 0.0;
    for (var first = 0u; first < batch.count; first += SUM_AHEAD) {
        var gradient: array<f32, SUM_AHEAD>;
        var input: array<f32, SUM_AHEAD>;
        for (var n = 0u; n < SUM_AHEAD; n++) {
            let b = min(first + n, batch.count - 1u);
            gradient[n] = workspace[workspace_start + dy + b * layer.outputs];
            input[n] = workspace[workspace_start + x + b * layer.inputs];
        }
        for (var n = 0u; n < SUM_AHEAD; n++) {
            if first + n < batch.count {
                // A bias is the weight of an additional input that is always 1.
                sum += gradient[n] * select(input[n], 1.0, is_bias);
            }
        }
    }
    return sum;
}

struct DenseLayer {
    weight: u32,
    bias: u32,
    inputs: u32,
    outputs: u32,
    x: u32,
    dy: u32,
}

// The dense layer that an offset of the arena belongs to. The layers are consecutive, each weight before its
// bias.
fn dense_layer_of(offset: u32) -> DenseLayer {
    var weight = DENSE_WEIGHT;
    var bias = DENSE_BIAS;
    var inputs = DENSE_INPUTS;
    var outputs = DENSE_OUTPUTS;
    var x = DENSE_X;
    var dy = DENSE_DY;
    var layer: DenseLayer;
    for (var n = 0u; n < DENSE_LAYERS; n++) {
        if n == 0u || offset >= weight[n] {
            layer = DenseLayer(weight[n], bias[n], inputs[n], outputs[n], x[n], dy[n]);
        }
    }
    return layer;
}
