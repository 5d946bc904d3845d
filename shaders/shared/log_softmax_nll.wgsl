// Log-softmax and the negative log-likelihood of an image's logits z, those from `first` on:
//   log_probs[k] = z[k] - max z - ln(sum over k of exp(z[k] - max z))
//   loss         = -(sum over k of q[k] * log_probs[k])
//   dz[k]        = (exp(log_probs[k]) - q[k]) * loss_scale
// for the target q = (1 - eps)*onehot(label) + eps/K. Without smoothing eps the loss is -log_probs[label].

#import classes
#import outcomes

// What all log-probabilities of an image share.
struct Normaliser {
    predicted: u32,
    largest: f32,
    log_sum: f32,
}

fn normaliser(first: u32) -> Normaliser {
    let predicted = predicted_class(first);
    let largest = logits[first + predicted];
    var sum = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        sum += exp(logits[first + k] - largest);
    }
    return Normaliser(predicted, largest, log(sum));
}

fn log_prob(first: u32, k: u32, terms: Normaliser) -> f32 {
    return logits[first + k] - terms.largest - terms.log_sum;
}

fn gradient_at_logit(log_prob: f32, k: u32, label: u32) -> f32 {
    return (exp(log_prob) - target_of(k, label)) * batch.loss_scale;
}

fn outcome(first: u32, label: u32, terms: Normaliser) -> Outcome {
    var loss = terms.largest + terms.log_sum - logits[first + label];
    if batch.label_smoothing > 0.0 {
        var mean = 0.0;
        for (var k = 0u; k < CLASSES; k++) {
            mean += logits[first + k] / f32(CLASSES);
        }
        loss += batch.label_smoothing * (logits[first + label] - mean);
    }
    return Outcome(loss, terms.predicted);
}
