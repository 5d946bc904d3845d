// The logits of a workgroup's images, CLASSES for each, and what all losses compute from them.

#import variants/member

var<workgroup> logits: array<f32, LOGITS>;

// The class of the largest of the CLASSES logits from `first` on; the lowest class of equals.
fn predicted_class(first: u32) -> u32 {
    var predicted = 0u;
    var largest = logits[first];
    for (var k = 1u; k < CLASSES; k++) {
        let logit = logits[first + k];
        if logit > largest {
            predicted = k;
            largest = logit;
        }
    }
    return predicted;
}

// The target of class k: (1 - eps)*onehot + eps/K, where eps is label_smoothing.
fn target_of(k: u32, label: u32) -> f32 {
    let onehot = select(0.0, 1.0, k == label);
    return onehot * (1.0 - batch.label_smoothing) + batch.label_smoothing / f32(CLASSES);
}
