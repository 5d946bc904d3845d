// The view of the image at each position of the order: an affine map from (row, column) of the network's
// input to a point of the image fitted to SIDE×SIDE. Rust: `View` in src/data/.
#import shared/bindings

struct View {
    // a, b, c of the point's row a * row + b * column + c
    row: array<f32, 3>,
    // d, e, f of the point's column d * row + e * column + f
    column: array<f32, 3>,
}

@group(0) @binding(BINDING_VIEWS) var<storage, read> views: array<View>;
