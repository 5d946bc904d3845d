// Gradient clipping: by the tensor's norm, then by the norm of all gradients, then by value. A bound of 0
// means none.
//
//   by norm   g = g * min(1, bound/(norm + 1e-6))
//   by value  g = max(-bound, min(bound, g))

#import shared/gradient_norms
#import shared/tensors

// The gradient of the parameter at an offset of the arena, clipped.
fn clipped(gradient: f32, offset: u32) -> f32 {
    if !CLIPS {
        return gradient;
    }
    let tensor = tensor_of(offset);
    var bounds = CLIP_VALUES;
    return limited(gradient * tensor_scale(tensor) * scale_of_all(), bounds[tensor]);
}

// The factor that clips a tensor's gradient by its own norm.
fn tensor_scale(tensor: u32) -> f32 {
    if CLIP_TENSOR_NORM > 0.0 {
        return scale_to(CLIP_TENSOR_NORM, norms[tensors_start + tensor]);
    }
    return 1.0;
}

// The factor that then clips all gradients by their common norm.
fn scale_of_all() -> f32 {
    if CLIP_NORM > 0.0 {
        var squares = 0.0;
        for (var tensor = 0u; tensor < TENSORS; tensor++) {
            let norm = norms[tensors_start + tensor] * tensor_scale(tensor);
            squares += norm * norm;
        }
        return scale_to(CLIP_NORM, sqrt(squares));
    }
    return 1.0;
}

fn scale_to(bound: f32, norm: f32) -> f32 {
    return min(1.0, bound / (norm + 1e-6));
}

// x clamped to ±bound; x itself if the bound is 0. The comparison is made on the bits so that a NaN stays a
// NaN.
fn limited(x: f32, bound: f32) -> f32 {
    let magnitude = bitcast<u32>(x) & 0x7fffffffu;
    let beyond = magnitude > bitcast<u32>(bound) && magnitude <= 0x7f800000u;
    return select(x, select(bound, -bound, x < 0.0), bound > 0.0 && beyond);
}
