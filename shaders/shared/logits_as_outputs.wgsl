// For losses of the logits z as they are: output[k] = z[k].

#import shared/logits

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
