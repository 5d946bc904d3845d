// Which of the TENSORS tensors a place in the arena belongs to: as many as end at or before it come first.
fn tensor_of(at: u32) -> u32 {
    var ends = TENSOR_ENDS;
    var tensor = 0u;
    for (var other = 0u; other < TENSORS; other++) {
        tensor += u32(at >= ends[other]);
    }
    return tensor;
}
