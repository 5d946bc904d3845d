// The images as they are stored: C×H×W bytes each, four to a word, low byte first.
@group(0) @binding(1) var<storage, read> images: array<u32>;
