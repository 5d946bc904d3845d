// Partial sums of the convolutions' gradients [CHUNKS, PARTIAL_LEN]. Image b of a batch belongs to chunk b %
// CHUNKS; the partial sum of a chunk covers the first PARTIAL_LEN parameters in the arena's layout. Chunks
// without images have none.
#import shared/bindings
#import variants/member

@group(0) @binding(BINDING_PARTIALS) var<storage, read_write> partials: array<f32>;
