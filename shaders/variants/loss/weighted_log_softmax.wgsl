// log_softmax.wgsl with a weight w for each class:
//   output[k] = z[k] - max z - ln(sum over k of exp(z[k] - max z)), the log-probabilities
//   loss      = -(sum over k of t[k] * output[k])
//   dz[k]     = (exp(output[k]) * (sum over k of t[k]) - t[k]) * loss_scale
// for the target t[k] = w[k] * ((1 - eps)*onehot(label)[k] + eps/K), as in PyTorch. Without label smoothing
// (eps = 0) the loss is -w[label] * output[label].

#import shared/class_weights
#import shared/finite
#import shared/logits
#import shared/outcomes

// Values that are the same for all classes of an image.
struct LossTerms {
    // Index of the image's first logit.
    first: u32,
    label: u32,
    predicted: u32,
    largest: f32,
    log_sum: f32,
    // The sum of the targets.
    total: f32,
}

fn loss_terms(first: u32, label: u32) -> LossTerms {
    let predicted = predicted_class(first);
    let largest = logits[first + predicted];
    var sum = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        sum += exp_or_nan(logits[first + k] - largest);
    }
    var total = class_weights[classes_start + label];
    if batch.label_smoothing > 0.0 {
        total = 0.0;
        for (var k = 0u; k < CLASSES; k++) {
            total += weighted_target(k, label);
        }
    }
    return LossTerms(first, label, predicted, largest, log_or_nan(sum), total);
}

fn loss_output(terms: LossTerms, k: u32) -> f32 {
    return logits[terms.first + k] - terms.largest - terms.log_sum;
}

fn loss_gradient(terms: LossTerms, k: u32, output: f32) -> f32 {
    return (exp_or_nan(output) * terms.total - weighted_target(k, terms.label)) * batch.loss_scale;
}

fn loss_outcome(terms: LossTerms) -> Outcome {
    var loss = 0.0;
    if batch.label_smoothing > 0.0 {
        for (var k = 0u; k < CLASSES; k++) {
            loss -= weighted_target(k, terms.label) * loss_output(terms, k);
        }
    } else {
        loss = class_weights[classes_start + terms.label] * -loss_output(terms, terms.label);
    }
    return Outcome(loss, terms.predicted);
}
