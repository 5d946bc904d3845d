// mse.wgsl with a weight w for each class, that of the label:
//   output[k] = z[k]
//   loss      = w[label] * (sum over k of (z[k] - t[k])^2) / DIVISOR
//   dz[k]     = 2 * w[label] * (z[k] - t[k]) / DIVISOR * loss_scale
// for the target t = (1 - eps)*onehot(label) + eps/K. DIVISOR is K for the mean reduction, 1 for the sum.

#import shared/class_weights
#import shared/logits
#import shared/outcomes

// Values that are the same for all classes of an image.
struct LossTerms {
    // Index of the image's first logit.
    first: u32,
    label: u32,
    // w[label] / DIVISOR
    factor: f32,
}

fn loss_terms(first: u32, label: u32) -> LossTerms {
    return LossTerms(first, label, class_weights[label] / f32(DIVISOR));
}

fn loss_output(terms: LossTerms, k: u32) -> f32 {
    return logits[terms.first + k];
}

fn loss_gradient(terms: LossTerms, k: u32, output: f32) -> f32 {
    let difference = output - target_of(k, terms.label);
    return 2.0 * difference * terms.factor * batch.loss_scale;
}

fn loss_outcome(terms: LossTerms) -> Outcome {
    var loss = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        let difference = logits[terms.first + k] - target_of(k, terms.label);
        loss += difference * difference;
    }
    return Outcome(loss * terms.factor, predicted_class(terms.first));
}
