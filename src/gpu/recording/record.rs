//! The layout of the record that every dispatch of a batch reads: learning rate, first sample, batch size and so on.

/// The fields of the record, in order. A test compares the Rust struct `BatchRecord` and the WGSL struct `Batch` with
/// it.
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

const FIELDS: [(&str, FieldType); 15] = [
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
];

impl RecordLayout {
    /// Bytes of a record.
    pub const BYTES: u32 = 4 * FIELDS.len() as u32;

    /// Bytes from one record to the next: the alignment of dynamic offsets by WebGPU's default limits.
    pub const STRIDE: u32 = Self::BYTES.next_multiple_of(256);

    pub(super) fn new() -> Self {
        let field = |(index, (name, ty))| RecordField { name, offset: 4 * index as u32, ty };
        Self { fields: FIELDS.into_iter().enumerate().map(field).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::gpu::buffers::BatchRecord;

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
