// The last layer of one image, a workgroup's work: logits[k] = bias[k] + sum over i of x[i] * weight[k,i].
// They stand in workgroup memory, and each lane goes through all of them for what it needs of them, so that
// there is one barrier and one order of summation.

#import classes
#import parameters
#import workspace

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
