// The class of each image.
#import shared/bindings

@group(0) @binding(BINDING_LABELS) var<storage, read> labels: array<u32>;
