//! A recording as text: one line per buffer, tensor, kernel and dispatch.

use std::fmt::{Display, Formatter, Result};

use super::{Access, Binding, BindingRange, BufferSpec, BufferUsage, Count, Dispatch, Recording};
use crate::gpu::grid::Grid;

impl Display for Recording {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.members > 1 {
            writeln!(f, "population of {}", self.members)?;
        }
        writeln!(f, "buffers")?;
        for buffer in &self.buffers {
            writeln!(f, "  {buffer}")?;
        }
        writeln!(f, "record of a batch")?;
        for field in &self.record.fields {
            writeln!(f, "  {:2} {} {}", field.offset, field.ty.wgsl(), field.name)?;
        }
        writeln!(f, "workspace")?;
        for tensor in &self.tensors {
            writeln!(f, "  {:8} {} [images, {}]", tensor.offset.get(), tensor.name, tensor.len)?;
        }
        writeln!(f, "kernels")?;
        for (index, kernel) in self.kernels.iter().enumerate() {
            let bindings: Vec<_> = kernel.bindings.iter().map(Binding::to_string).collect();
            let (name, label) = (kernel.entry_point, &kernel.label);
            writeln!(f, "  {index} {name} ({label}): {}", bindings.join(", "))?;
        }
        for (name, dispatches) in [
            ("micro-batch within a step", &self.micro_batch),
            ("last micro-batch of a step", &self.last_micro_batch),
            ("evaluation", &self.evaluation),
        ] {
            writeln!(f, "{name}")?;
            for Dispatch { kernel } in dispatches {
                let label = &self.kernels[*kernel].label;
                writeln!(f, "  dispatch {kernel} {label}, workgroups: {}", self.kernels[*kernel].grid)?;
            }
        }
        Ok(())
    }
}

impl Display for Binding {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.number, self.buffer.as_str())?;
        match (self.access, self.range) {
            (Access::Read, _) => Ok(()),
            (Access::ReadWrite, _) => f.write_str(" (read-write)"),
            (Access::Uniform, BindingRange::Start(bytes)) => {
                write!(f, " (uniform, first {bytes} bytes)")
            }
            (Access::Uniform, _) => f.write_str(" (uniform)"),
        }
    }
}

impl Display for BufferSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: {} bytes", self.name.as_str(), self.bytes)?;
        f.write_str(match self.per {
            Count::One => "",
            Count::Image => " per image on the device",
            Count::ImageWord => " per word of the images on the device",
            Count::View => " per view",
            Count::OrderEntry => " per index of the order",
            Count::Sample => " per sample",
        })?;
        f.write_str(match self.usage {
            BufferUsage::Uniform => ", uniform",
            BufferUsage::Storage => ", storage",
            BufferUsage::StorageAndUniform => ", storage and uniform",
        })
    }
}

/// The number of workgroups as a formula of the batch's images.
impl Display for Grid {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.invocations == 0 {
            return write!(f, "{}", self.fixed);
        }
        if self.fixed > 0 {
            write!(f, "{} + ", self.fixed)?;
        }
        let mut blocks = match self.max_images {
            usize::MAX => "images".to_owned(),
            max => format!("min(images, {max})"),
        };
        if self.block_images > 1 {
            blocks = format!("ceil({blocks} / {})", self.block_images);
        }
        if self.invocations > 1 {
            blocks = format!("{blocks} * {}", self.invocations);
        }
        if self.workgroup > 1 {
            blocks = format!("ceil({blocks} / {})", self.workgroup);
        }
        f.write_str(&blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Setup;
    use crate::gpu::KernelConfig;
    use crate::model::LeNet5;

    #[test]
    fn the_text_of_the_fused_kernels_at_batch_64() {
        let recording = Recording::new(&Setup::new(LeNet5::new(1, 10), 64), &KernelConfig::HARDWARE);
        assert_eq!(recording.to_string(), include_str!("fused_64.txt"));
    }

    #[test]
    fn a_grid_is_shown_as_a_formula() {
        for (grid, formula) in [
            (Grid::per_batch(1_000, 64), "16"),
            (Grid::workgroup_per_image(), "images"),
            (Grid::workgroup_per_block(2), "ceil(images / 2)"),
            (Grid::workgroups_per_chunk(2, 256), "min(images, 256) * 2"),
            (Grid::per_block(30, 4, 64).and_workgroups(5), "5 + ceil(ceil(images / 4) * 30 / 64)"),
        ] {
            assert_eq!(grid.to_string(), formula);
        }
    }
}
