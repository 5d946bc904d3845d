//! Where the tensors between two kernels stand.

use super::MapPlace;
use crate::gpu::kernels::Places;

/// Where a map and its gradient stand in the workspace.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    pub value: usize,
    pub gradient: usize,
}

impl Places {
    /// The places of a layer from one map to another.
    pub(super) fn between(self, input: Map, output: Map) -> Self {
        Self { x: input.value, dx: input.gradient, y: output.value, dy: output.gradient, ..self }
    }
}

/// Hands out places one after the other.
pub struct Workspace {
    batch: usize,
    pub maps: Vec<MapPlace>,
    pub len: usize,
}

impl Workspace {
    /// For batches of up to `batch` images.
    pub fn new(batch: usize) -> Self {
        Self { batch, maps: Vec::new(), len: 0 }
    }

    /// A place for a map of `len` values an image.
    pub fn place(&mut self, name: &'static str, len: usize) -> usize {
        let place = self.len;
        self.maps.push(MapPlace { name, place, len });
        self.len += len * self.batch;
        place
    }

    /// Places for a map and its gradient, of `len` values an image.
    pub fn map(&mut self, [name, gradient]: [&'static str; 2], len: usize) -> Map {
        Map { value: self.place(name, len), gradient: self.place(gradient, len) }
    }

    pub fn map_if(&mut self, wanted: bool, names: [&'static str; 2], len: usize) -> Option<Map> {
        wanted.then(|| self.map(names, len))
    }

    /// A place for `len` values, whatever the batch.
    pub fn fixed(&mut self, len: usize) -> usize {
        let place = self.len;
        self.len += len;
        place
    }
}
