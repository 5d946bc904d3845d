// The index of the tensor that contains an offset of the arena: the number of tensors that end at or before
// it.
fn tensor_of(offset: u32) -> u32 {
    var ends = TENSOR_ENDS;
    var tensor = 0u;
    for (var other = 0u; other < TENSORS; other++) {
        tensor += u32(offset >= ends[other]);
    }
    return tensor;
}
