// The index of the image at each position of the order.
#import shared/bindings

@group(0) @binding(BINDING_ORDER) var<storage, read> order: array<u32>;
