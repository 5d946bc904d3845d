// raw_nll.wgsl with a weight w for each class:
//   output[k] = z[k]
//   loss      = -(sum over k of t[k] * z[k])
//   dz[k]     = -t[k] * loss_scale
// for the target t[k] = w[k] * ((1 - eps)*onehot(label)[k] + eps/K).

#import shared/class_weights
#import shared/logits
#import shared/outcomes

// Values that are the same for all classes of an image.
struct LossTerms {
    // Index of the image's first logit.
    first: u32,
    label: u32,
}

fn loss_terms(first: u32, label: u32) -> LossTerms {
    return LossTerms(first, label);
}

fn loss_output(terms: LossTerms, k: u32) -> f32 {
    return logits[terms.first + k];
}

fn loss_gradient(terms: LossTerms, k: u32, output: f32) -> f32 {
    return -weighted_target(k, terms.label) * batch.loss_scale;
}

fn loss_outcome(terms: LossTerms) -> Outcome {
    var loss = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        loss -= weighted_target(k, terms.label) * logits[terms.first + k];
    }
    return Outcome(loss, predicted_class(terms.first));
}
