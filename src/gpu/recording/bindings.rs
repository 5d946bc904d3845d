//! The buffers that a kernel binds, read from its WGSL by reflection: the shader's declarations are the only list of
//! bindings.

use super::buffers::BufferName;

/// The most bytes of a uniform binding that WebGPU's default limits guarantee.
const MAX_UNIFORM: u64 = 16 * 1024;

/// A buffer that a shader declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The binding number, in group 0.
    pub number: u32,
    /// The buffer.
    pub buffer: BufferName,
    /// How the kernel accesses it.
    pub access: Access,
    /// The part of the buffer that is bound.
    pub range: BindingRange,
}

/// How a kernel uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform.
    Uniform,
    /// Read-only storage.
    Read,
    /// Read-write storage.
    ReadWrite,
}

/// The part of a buffer that is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingRange {
    /// The whole buffer.
    Whole,
    /// The record of the batch, or those of a population's batches, chosen at each dispatch: this many bytes.
    Record(u64),
    /// At most this many bytes, from the start.
    Start(u64),
}

/// The bindings of a shader by number.
///
/// # Panics
/// If the shader does not parse or binds an unknown buffer: shaders are part of this crate, and a test parses each.
pub fn reflect(wgsl: &str) -> Vec<Binding> {
    let module =
        naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{}", error.emit_to_string(wgsl)));
    let mut bindings: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let number = variable.binding?.binding;
            let name = variable.name.as_deref()?;
            let buffer = BufferName::of_variable(name)
                .unwrap_or_else(|| panic!("no buffer belongs to the shader variable {name}"));
            let access = match variable.space {
                naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                    Access::ReadWrite
                }
                naga::AddressSpace::Storage { .. } => Access::Read,
                _ => Access::Uniform,
            };
            let range = match (buffer, access) {
                (BufferName::Batch, _) => {
                    let inner = &module.types[variable.ty].inner;
                    BindingRange::Record(u64::from(inner.size(module.to_ctx())))
                }
                (_, Access::Uniform) => BindingRange::Start(MAX_UNIFORM),
                _ => BindingRange::Whole,
            };
            Some(Binding { number, buffer, access, range })
        })
        .collect();
    bindings.sort_by_key(|binding| binding.number);
    bindings
}

impl BindingRange {
    /// The bytes that are bound of a buffer of `size` bytes; `None` for all.
    pub fn bytes(self, size: u64) -> Option<u64> {
        match self {
            Self::Whole => None,
            Self::Record(bytes) => Some(bytes),
            Self::Start(bytes) => Some(bytes.min(size)),
        }
    }
}
