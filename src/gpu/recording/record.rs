//! The record that every dispatch of a batch reads (learning rate, first sample, batch size and so on), and its layout.

use bytemuck::{Pod, Zeroable};

use crate::data::ImageSet;
use crate::engine::{Loss, MicroBatch, Optimizer, Rule};

/// The number of records on the device at a time, of each member of a population: those of a submit.
pub const RECORDS: usize = 128;

/// The number of words that one image takes in the image buffer.
pub fn image_words(images: &ImageSet) -> usize {
    images.image_len().div_ceil(4)
}

/// The record of a batch, in the layout of `shaders/shared/batch.wgsl`, which documents the fields.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct BatchRecord {
    pub first: u32,
    pub count: u32,
    pub outcome: u32,
    pub step: u32,
    pub follows: u32,
    pub loss_scale: f32,
    pub label_smoothing: f32,
    pub rate: f32,
    pub root_correction: f32,
    pub decay: f32,
    pub height: u32,
    pub width: u32,
    pub image_words: u32,
    pub top: u32,
    pub left: u32,
    pub member: u32,
}

impl BatchRecord {
    /// The record of a micro-batch of the optimizer's step `t`, over whose `step_weight` a mean is taken. Its images
    /// belong to `images` and begin at position `first` of the device's order.
    pub fn new(
        batch: &MicroBatch,
        first: usize,
        t: u64,
        step_weight: f64,
        loss: &Loss,
        optimizer: &Optimizer,
        images: &ImageSet,
    ) -> Self {
        let (top, left) = images.margins();
        let learning_rate = f64::from(batch.step.learning_rate);
        let decay = f64::from(optimizer.weight_decay);
        let [rate, root_correction, decay] = match optimizer.rule {
            Rule::Adam(adam) => [
                learning_rate * adam.first_correction(t),
                adam.second_root_correction(t),
                learning_rate * decay,
            ],
            Rule::Sgd(_) => [learning_rate, 1.0, decay],
        };
        Self {
            first: first as u32,
            count: batch.count as u32,
            outcome: batch.first as u32,
            // Used only to name the step in an error; steps from 2^32 - 1 on are all reported as 2^32 - 2.
            step: u32::try_from(t).unwrap_or(u32::MAX - 1),
            follows: u32::from(!batch.starts_step()),
            loss_scale: loss.scale(step_weight) as f32,
            label_smoothing: loss.label_smoothing,
            rate: rate as f32,
            root_correction: root_correction as f32,
            decay: decay as f32,
            height: images.height as u32,
            width: images.width as u32,
            image_words: image_words(images) as u32,
            top: top as u32,
            left: left as u32,
            member: 0,
        }
    }

    /// The same for a member of a population whose members have `samples` positions each in the device's order, views
    /// and outcomes.
    pub fn of_member(self, member: usize, samples: usize) -> Self {
        let start = (member * samples) as u32;
        Self { first: self.first + start, outcome: self.outcome + start, member: member as u32, ..self }
    }
}

/// The fields of the record, in order. The Rust struct `BatchRecord` and the WGSL struct `Batch` are tested against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLayout {
    /// The fields, in order.
    pub fields: Vec<RecordField>,
}

/// A field of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordField {
    /// The name in WGSL.
    pub name: &'static str,
    /// Bytes from the start of the record.
    pub offset: u32,
    /// The type.
    pub ty: FieldType,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// `u32`.
    U32,
    /// `f32`.
    F32,
}

impl FieldType {
    /// The name of the type in WGSL.
    pub const fn wgsl(self) -> &'static str {
        match self {
            Self::U32 => "u32",
            Self::F32 => "f32",
        }
    }
}

const FIELDS: [(&str, FieldType); 16] = [
    ("first", FieldType::U32),
    ("count", FieldType::U32),
    ("outcome", FieldType::U32),
    ("step", FieldType::U32),
    ("follows", FieldType::U32),
    ("loss_scale", FieldType::F32),
    ("label_smoothing", FieldType::F32),
    ("rate", FieldType::F32),
    ("root_correction", FieldType::F32),
    ("decay", FieldType::F32),
    ("height", FieldType::U32),
    ("width", FieldType::U32),
    ("image_words", FieldType::U32),
    ("top", FieldType::U32),
    ("left", FieldType::U32),
    ("member", FieldType::U32),
];

impl RecordLayout {
    /// Bytes of a record.
    pub const BYTES: u32 = 4 * FIELDS.len() as u32;

    /// Bytes from the records of one batch to those of the next, for a population of `members`: a multiple of the
    /// alignment of dynamic offsets by WebGPU's default limits.
    pub const fn stride(members: usize) -> u32 {
        (Self::BYTES * members as u32).next_multiple_of(256)
    }

    pub(super) fn new() -> Self {
        let field = |(index, (name, ty))| RecordField { name, offset: 4 * index as u32, ty };
        Self { fields: FIELDS.into_iter().enumerate().map(field).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// The fields of [`BatchRecord`] with their offsets.
    macro_rules! offsets {
        ($($field:ident),* $(,)?) => {{
            // Does not compile if a field is missing here.
            let _ = |BatchRecord { $($field: _),* }: BatchRecord| {};
            vec![$((stringify!($field), offset_of!(BatchRecord, $field) as u32)),*]
        }};
    }

    #[test]
    fn batch_record_has_the_layout_of_the_recording() {
        let rust = offsets!(
            first,
            count,
            outcome,
            step,
            follows,
            loss_scale,
            label_smoothing,
            rate,
            root_correction,
            decay,
            height,
            width,
            image_words,
            top,
            left,
            member,
        );
        let fields: Vec<_> =
            RecordLayout::new().fields.iter().map(|field| (field.name, field.offset)).collect();
        assert_eq!(rust, fields);
        assert_eq!(size_of::<BatchRecord>() as u32, RecordLayout::BYTES);
    }

    #[test]
    fn the_wgsl_record_has_the_layout_of_the_recording() {
        let setup = crate::engine::Setup::new(crate::model::LeNet5::new(1, 10), 64);
        let recording = super::super::Recording::new(&setup, &crate::gpu::KernelConfig::HARDWARE);
        let module = naga::front::wgsl::parse_str(&recording.kernels[0].wgsl).unwrap();
        let (_, record) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Batch")).unwrap();
        let naga::TypeInner::Struct { members, span } = &record.inner else { panic!("Batch is no struct") };
        let wgsl: Vec<_> = members
            .iter()
            .map(|member| {
                let ty = match &module.types[member.ty].inner {
                    naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Uint, width: 4 }) => "u32",
                    naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Float, width: 4 }) => {
                        "f32"
                    }
                    other => panic!("{other:?}"),
                };
                (member.name.clone().unwrap(), member.offset, ty)
            })
            .collect();
        let fields = recording.record.fields.iter();
        let fields: Vec<_> =
            fields.map(|field| (field.name.to_owned(), field.offset, field.ty.wgsl())).collect();
        assert_eq!(wgsl, fields);
        assert_eq!(*span, RecordLayout::BYTES);
    }
}
