//! What is known of an adapter, as plain values.

use std::fmt;

use serde::Serialize;

/// The graphics API that an adapter is reached through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiBackend {
    Vulkan,
    Metal,
    Dx12,
    Gl,
}

impl ApiBackend {
    /// In the order in which adapters are counted and, all else being equal, preferred.
    pub const ALL: [Self; 4] = [Self::Vulkan, Self::Metal, Self::Dx12, Self::Gl];

    /// All but GL, which shows the GPUs of the others once more, and less well.
    pub const NATIVE: [Self; 3] = [Self::Vulkan, Self::Metal, Self::Dx12];

    /// The first backends of [`Self::ALL`], with this one as the last.
    pub fn and_those_before(self) -> &'static [Self] {
        &Self::ALL[..=self as usize]
    }

    /// As it is typed: `--backend vulkan`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::Gl => "gl",
        }
    }
}

impl fmt::Display for ApiBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vulkan => "Vulkan",
            Self::Metal => "Metal",
            Self::Dx12 => "DX12",
            Self::Gl => "GL",
        })
    }
}

/// What sort of device an adapter is, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A card with its own memory.
    Discrete,
    /// Part of the processor; shares its memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// Some GPU: GL rarely says more.
    Unknown,
    /// A CPU that plays the GPU.
    Software,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Unknown => "unknown",
            Self::Software => "software",
        })
    }
}

/// The limits that decide what can be trained, in the units of WebGPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes of a buffer that a kernel can see.
    pub max_storage_buffer_binding_size: u64,
    /// Bytes of a buffer.
    pub max_buffer_size: u64,
    /// Bytes that the invocations of a workgroup share.
    pub max_compute_workgroup_storage_size: u32,
    /// Invocations of a workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Buffers that a kernel can see.
    pub max_storage_buffers_per_shader_stage: u32,
}

impl Limits {
    /// What WebGPU guarantees and the kernels need.
    pub const NEEDED: Self = Self {
        max_storage_buffer_binding_size: 128 << 20,
        max_buffer_size: 256 << 20,
        max_compute_workgroup_storage_size: 16 << 10,
        max_compute_invocations_per_workgroup: 256,
        max_storage_buffers_per_shader_stage: 8,
    };

    /// The first limit that is below [`Self::NEEDED`], in words.
    pub fn shortfall(&self) -> Option<String> {
        let needed = Self::NEEDED;
        [
            (
                "bytes of a storage binding",
                self.max_storage_buffer_binding_size,
                needed.max_storage_buffer_binding_size,
            ),
            ("bytes of a buffer", self.max_buffer_size, needed.max_buffer_size),
            (
                "bytes of workgroup memory",
                self.max_compute_workgroup_storage_size.into(),
                needed.max_compute_workgroup_storage_size.into(),
            ),
            (
                "invocations a workgroup",
                self.max_compute_invocations_per_workgroup.into(),
                needed.max_compute_invocations_per_workgroup.into(),
            ),
            (
                "storage buffers",
                self.max_storage_buffers_per_shader_stage.into(),
                needed.max_storage_buffers_per_shader_stage.into(),
            ),
        ]
        .into_iter()
        .find(|(_, has, needs)| has < needs)
        .map(|(what, has, needs)| format!("{has} {what}, and {needs} are needed"))
    }
}

/// One adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its place among all adapters: what `--adapter INDEX` means.
    pub index: usize,
    pub name: String,
    pub backend: ApiBackend,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The driver's name and version.
    pub driver: String,
    /// The maker's number on the PCI bus, as the backend tells it.
    #[serde(skip)]
    pub vendor: u32,
    /// The model's number on the PCI bus; 0 where the backend does not tell it, as in GL.
    #[serde(skip)]
    pub device: u32,
    pub limits: Limits,
    /// Why it cannot train, if it cannot.
    pub unfit: Option<String>,
}

impl Description {
    /// Whether a CPU plays the GPU here. Known by name too: not every driver owns up to it.
    pub fn is_software(&self) -> bool {
        const NAMES: [&str; 5] =
            ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "microsoft basic render driver"];
        let name = self.name.to_lowercase();
        self.kind == Kind::Software || NAMES.iter().any(|software| name.contains(software))
    }

    /// Whether another backend shows the same physical GPU here.
    pub(super) fn is_twin_of(&self, other: &Self) -> bool {
        if self.backend == other.backend {
            return false;
        }
        let same_model = self.vendor == other.vendor
            && self.device == other.device
            && self.vendor != 0
            && self.device != 0;
        // GL tells a renderer's name and no number: "NVIDIA RTX 4090/PCIe/SSE2" is "NVIDIA RTX 4090".
        // Mesa's software renderer adds other details to its name in each backend.
        let (name, other) = (self.name.to_lowercase(), other.name.to_lowercase());
        let same_name = name.contains(&other)
            || other.contains(&name)
            || (name.contains("llvmpipe") && other.contains("llvmpipe"));
        same_model || same_name
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.backend, self.kind)
    }
}
