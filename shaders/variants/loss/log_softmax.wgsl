// Log-softmax and the negative log-likelihood of an image's logits z:
//   output[k] = z[k] - max z - ln(sum over k of exp(z[k] - max z)), the log-probabilities
//   loss      = -(sum over k of t[k] * output[k])
//   dz[k]     = (exp(output[k]) - t[k]) * loss_scale
// for the target t = (1 - eps)*onehot(label) + eps/K. Without label smoothing (eps = 0) the loss is
// -output[label].

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
}

fn loss_terms(first: u32, label: u32) -> LossTerms {
    let predicted = predicted_class(first);
    let largest = logits[first + predicted];
    var sum = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        sum += exp_or_nan(logits[first + k] - largest);
    }
    return LossTerms(first, label, predicted, largest, log_or_nan(sum));
}

fn loss_output(terms: LossTerms, k: u32) -> f32 {
    return logits[terms.first + k] - terms.largest - terms.log_sum;
}

fn loss_gradient(terms: LossTerms, k: u32, output: f32) -> f32 {
    return (exp_or_nan(output) - target_of(k, terms.label)) * batch.loss_scale;
}

fn loss_outcome(terms: LossTerms) -> Outcome {
    let first = terms.first;
    var loss = terms.largest + terms.log_sum - logits[first + terms.label];
    if batch.label_smoothing > 0.0 {
        var mean = 0.0;
        for (var k = 0u; k < CLASSES; k++) {
            mean += logits[first + k] / f32(CLASSES);
        }
        loss += batch.label_smoothing * (logits[first + terms.label] - mean);
    }
    return Outcome(loss, terms.predicted);
}
