// How the n-th image of the pass is seen: the point of the image, fitted to SIDE×SIDE, that is seen at
// (row, column). Its twin is `View`.
struct View {
    // a, b, c of a * row + b * column + c
    row: array<f32, 3>,
    // d, e, f of d * row + e * column + f
    column: array<f32, 3>,
}

@group(0) @binding(13) var<storage, read> views: array<View>;
