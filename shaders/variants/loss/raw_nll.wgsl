// The negative likelihood of an image's logits z as they are, without log-softmax:
//   output[k] = z[k]
//   loss      = -(sum over k of t[k] * z[k])
//   dz[k]     = -t[k] * loss_scale
// for the target t[k] = w[k] * ((1 - eps)*onehot(label)[k] + eps/K), where w[k] is 1 without class weights. The
// loss is unbounded below: without batch normalisation the network learns nothing from it, as the paper reports
// for its version without log-softmax.

#import shared/logits_as_outputs
#import shared/outcomes
#import variants/target

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
