// The squared distance of an image's logits z from the target:
//   output[k] = z[k]
//   loss      = sum over k of (z[k] - t[k])^2 / DIVISOR
//   dz[k]     = 2 * (z[k] - t[k]) / DIVISOR * loss_scale
// for the target t = (1 - eps)*onehot(label) + eps/K. DIVISOR is K for the mean reduction, 1 for the sum.

#import shared/logits_as_outputs
#import shared/outcomes

fn loss_gradient(terms: LossTerms, k: u32, output: f32) -> f32 {
    let difference = output - target_of(k, terms.label);
    return 2.0 * difference / f32(DIVISOR) * batch.loss_scale;
}

fn loss_outcome(terms: LossTerms) -> Outcome {
    var loss = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        let difference = logits[terms.first + k] - target_of(k, terms.label);
        loss += difference * difference;
    }
    return Outcome(loss / f32(DIVISOR), predicted_class(terms.first));
}
