// The gradient of the parameter at a place of the arena, after the fused kernels. It is put into the arena too.
//   below PARTIAL_LEN, a convolution's: the sum of as many partial sums as images, or CHUNKS, in order
//   above, a dense layer's: dweight[o,i] = sum over b of dy[b,o] * x[b,i],  dbias[o] = sum over b of dy[b,o]
//
// workspace  partial sums (see shared/partials.wgsl),  x [B, inputs] and dy [B, outputs] of each layer at DENSE_X
//            and DENSE_DY
//
// Neighbours make neighbouring inputs' weights, so that they read neighbouring values of x and the same dy.

#import batch
#import gradients
#import partials
#import workspace

fn whole_gradient(at: u32) -> f32 {
    var gradient = 0.0;
    if at < PARTIAL_LEN {
        gradient = sum_of_partials(at);
    } else {
        gradient = of_dense_layer(at);
    }
    gradients[at] = gradient;
    return gradient;
}

fn of_dense_layer(at: u32) -> f32 {
    let layer = layer_of(at);
    let is_bias = at >= layer.bias;
    let within = select(at - layer.weight, (at - layer.bias) * layer.inputs, is_bias);
    let dy = layer.dy + within / layer.inputs;
    let x = layer.x + within % layer.inputs;
    var sum = 0.0;
    for (var first = 0u; first < batch.count; first += SUM_AHEAD) {
        var gradient: array<f32, SUM_AHEAD>;
        var input: array<f32, SUM_AHEAD>;
        for (var n = 0u; n < SUM_AHEAD; n++) {
            let b = min(first + n, batch.count - 1u);
            gradient[n] = workspace[dy + b * layer.outputs];
            input[n] = workspace[x + b * layer.inputs];
        }
        for (var n = 0u; n < SUM_AHEAD; n++) {
            if first + n < batch.count {
                // A bias is the weight of one more input, which is 1.
                sum += gradient[n] * select(input[n], 1.0, is_bias);
            }
        }
    }
    return sum;
}

struct Layer {
    weight: u32,
    bias: u32,
    inputs: u32,
    outputs: u32,
    x: u32,
    dy: u32,
}

// The dense layer of a place: they stand one after the other, each weight before its bias.
fn layer_of(at: u32) -> Layer {
    var weight = DENSE_WEIGHT;
    var bias = DENSE_BIAS;
    var inputs = DENSE_INPUTS;
    var outputs = DENSE_OUTPUTS;
    var x = DENSE_X;
    var dy = DENSE_DY;
    var layer: Layer;
    for (var n = 0u; n < DENSE_LAYERS; n++) {
        if n == 0u || at >= weight[n] {
            layer = Layer(weight[n], bias[n], inputs[n], outputs[n], x[n], dy[n]);
        }
    }
    return layer;
}
