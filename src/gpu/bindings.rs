//! The buffers that shaders bind. A shader's declarations are the only list of its bindings: they are read from
//! its WGSL by reflection.

/// A buffer that a shader can bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BufferId {
    Batch,
    Images,
    Order,
    Labels,
    Parameters,
    Gradients,
    FirstMoment,
    SecondMoment,
    Workspace,
    Outcomes,
    Faults,
    Norms,
    Accumulated,
    Views,
    Partials,
}

impl BufferId {
    /// The buffers and the names of the shader variables that are bound to them.
    pub const ALL: [(&'static str, Self); 15] = [
        ("batch", Self::Batch),
        ("images", Self::Images),
        ("order", Self::Order),
        ("labels", Self::Labels),
        ("parameters", Self::Parameters),
        ("gradients", Self::Gradients),
        ("first_moment", Self::FirstMoment),
        ("second_moment", Self::SecondMoment),
        ("workspace", Self::Workspace),
        ("outcomes", Self::Outcomes),
        ("faults", Self::Faults),
        ("norms", Self::Norms),
        ("accumulated", Self::Accumulated),
        ("views", Self::Views),
        ("partials", Self::Partials),
    ];

    /// The buffer that is bound to the shader variable `name`.
    pub fn of_variable(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, buffer)| buffer)
    }
}

/// A binding that a shader declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    pub number: u32,
    pub buffer: BufferId,
    pub kind: wgpu::BufferBindingType,
}

impl Binding {
    /// Whether the shader may write to the buffer.
    pub fn is_writable(&self) -> bool {
        self.kind == wgpu::BufferBindingType::Storage { read_only: false }
    }

    /// Whether the buffer holds many records, of which a dynamic offset selects one.
    pub fn has_dynamic_offset(&self) -> bool {
        self.buffer == BufferId::Batch
    }
}

/// The bindings that a shader declares, ordered by number.
///
/// # Panics
/// If the shader does not parse or a variable has no buffer. Shaders are part of this crate, and a test checks
/// each of them.
pub fn bindings(source: &str) -> Vec<Binding> {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let mut bindings: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let number = variable.binding?.binding;
            let name = variable.name.as_deref()?;
            let buffer = BufferId::of_variable(name)
                .unwrap_or_else(|| panic!("no buffer belongs to the shader variable {name}"));
            let kind = match variable.space {
                naga::AddressSpace::Storage { access } => wgpu::BufferBindingType::Storage {
                    read_only: !access.contains(naga::StorageAccess::STORE),
                },
                _ => wgpu::BufferBindingType::Uniform,
            };
            Some(Binding { number, buffer, kind })
        })
        .collect();
    bindings.sort_by_key(|binding| binding.number);
    bindings
}
