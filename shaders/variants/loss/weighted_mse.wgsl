// mse.wgsl with a weight w for each class, that of the label:
//   output[k] = z[k]
//   loss      = w[label] * (sum over k of (z[k] - t[k])^2) / DIVISOR
//   dz[k]     = 2 * w[label] * (z[k] - t[k]) / DIVISOR * loss_scale
// for the target t = (1 - eps)*onehot(label) + eps/K. DIVISOR is K for the mean reduction, 1 for the sum.

#import shared/class_weights
#import shared/logits_as_outputs
#import shared/outcomes

fn factor(label: u32) -> f32 {
    return class_weights[classes_start + label] / f32(DIVISOR);
}

fn loss_gradient(terms: LossTerms, k: u32, output: f32) -> f32 {
    let difference = output - target_of(k, terms.label);
    return 2.0 * difference * factor(terms.label) * batch.loss_scale;
}

fn loss_outcome(terms: LossTerms) -> Outcome {
    var loss = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        let difference = logits[terms.first + k] - target_of(k, terms.label);
        loss += difference * difference;
    }
    return Outcome(loss * factor(terms.label), predicted_class(terms.first));
}
