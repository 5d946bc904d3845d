// The weight of each class in the loss.

#import shared/bindings
#import shared/logits
#import variants/member

@group(0) @binding(BINDING_CLASS_WEIGHTS) var<storage, read> class_weights: array<f32>;

// The target of class k, times the weight of k.
fn weighted_target(k: u32, label: u32) -> f32 {
    return class_weights[classes_start + k] * target_of(k, label);
}
