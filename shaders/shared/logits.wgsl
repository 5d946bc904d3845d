// The last layer of one image, a workgroup's work: logits[k] = bias[k] + sum over i of x[i] * weight[k,i].
// They stand in workgroup memory, and each lane goes through all of them for what it needs of them, so that
// there is one barrier and one order of summation.

#import batch
#import parameters
#import workspace

var<workgroup> logits: array<f32, CLASSES>;

// A lane makes every WORKGROUP-th class: INPUTS FMAs for 2 loads each. For all lanes to call at once.
fn make_logits(image: u32, lane: u32) {
    for (var k = lane; k < CLASSES; k += WORKGROUP) {
        var sum = parameters[BIAS + k];
        for (var i = 0u; i < INPUTS; i++) {
            sum += workspace[X + image * INPUTS + i] * parameters[WEIGHT + k * INPUTS + i];
        }
        logits[k] = sum;
    }
    workgroupBarrier();
}

// The class of the largest logit, the lowest one of equals.
fn predicted_class() -> u32 {
    var predicted = 0u;
    for (var k = 1u; k < CLASSES; k++) {
        if logits[k] > logits[predicted] {
            predicted = k;
        }
    }
    return predicted;
}

// What is wanted of class k: (1 - eps)*onehot + eps/K, eps being label_smoothing.
fn target_of(k: u32, label: u32) -> f32 {
    let onehot = select(0.0, 1.0, k == label);
    return onehot * (1.0 - batch.label_smoothing) + batch.label_smoothing / f32(CLASSES);
}
