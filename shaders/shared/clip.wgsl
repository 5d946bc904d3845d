// A gradient cut down before it is used: its tensor by the tensor's norm, then by the norm of all, then by
// value. A bound of 0 is none.
//
//   by norm   g = g * min(1, bound/(norm + 1e-6))
//   by value  g = max(-bound, min(bound, g))

#import gradient_norms
#import tensors

fn clipped(gradient: f32, at: u32) -> f32 {
    if !CLIPS {
        return gradient;
    }
    let tensor = tensor_of(at);
    var bounds = CLIP_VALUES;
    return limited(gradient * tensor_scale(tensor) * scale_of_all(), bounds[tensor]);
}

// What a tensor's gradient is multiplied by for its own norm.
fn tensor_scale(tensor: u32) -> f32 {
    if CLIP_TENSOR_NORM > 0.0 {
        return scale_to(CLIP_TENSOR_NORM, norms[tensor]);
    }
    return 1.0;
}

// What all gradients are then multiplied by.
fn scale_of_all() -> f32 {
    if CLIP_NORM > 0.0 {
        var squares = 0.0;
        for (var tensor = 0u; tensor < TENSORS; tensor++) {
            let norm = norms[tensor] * tensor_scale(tensor);
            squares += norm * norm;
        }
        return scale_to(CLIP_NORM, sqrt(squares));
    }
    return 1.0;
}

fn scale_to(bound: f32, norm: f32) -> f32 {
    return min(1.0, bound / (norm + 1e-6));
}

// x, or what is as far as `bound` from 0 where x is further; none where the bound is 0. Told by the bits,
// so that a NaN stays one.
fn limited(x: f32, bound: f32) -> f32 {
    let magnitude = bitcast<u32>(x) & 0x7fffffffu;
    let beyond = magnitude > bitcast<u32>(bound) && magnitude <= 0x7f800000u;
    return select(x, select(bound, -bound, x < 0.0), bound > 0.0 && beyond);
}
