//! Augmentation: how a sample is seen in an epoch. All of it is one affine map a sample, drawn on the host
//! from the seed, the epoch and the sample, so that every engine sees the same images.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

/// What may happen to an image; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Augmentation {
    /// Moved by a whole number of pixels in −shift..=shift along each side, black coming in: what others
    /// call a random crop with this padding.
    #[serde(default)]
    pub shift: u32,
    /// Mirrored left to right, one time in two.
    #[serde(default)]
    pub flip: bool,
    /// Turned about the centre by up to this many degrees, either way.
    #[serde(default)]
    pub rotate: f32,
    /// Made larger or smaller about the centre by a factor in 1 − scale..1 + scale.
    #[serde(default)]
    pub scale: f32,
}

/// One sample's affine map, from a pixel of the network's 32×32 input to the point of the image (fitted to
/// 32×32) that is seen there: row' = a·row + b·column + c, column' = d·row + e·column + f. Between pixels
/// the image is interpolated bilinearly; outside of it is 0. The layout is the shader's `View`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct View {
    /// a, b, c
    pub row: [f32; 3],
    /// d, e, f
    pub column: [f32; 3],
}
