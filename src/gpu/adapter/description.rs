//! Plain descriptions of adapters.

use std::fmt;

use serde::Serialize;

/// A graphics API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiBackend {
    /// Vulkan.
    Vulkan,
    /// Metal.
    Metal,
    /// Direct3D 12.
    Dx12,
    /// OpenGL and OpenGL ES.
    Gl,
}

impl ApiBackend {
    /// All backends, in the order in which adapters are numbered and, all else being equal, preferred.
    pub const ALL: [Self; 4] = [Self::Vulkan, Self::Metal, Self::Dx12, Self::Gl];

    /// All but GL, which lists the GPUs of the other backends again, with less detail.
    pub const NATIVE: [Self; 3] = [Self::Vulkan, Self::Metal, Self::Dx12];

    /// The backends of [`Self::ALL`] from the first to this one.
    pub fn up_to_and_including(self) -> &'static [Self] {
        &Self::ALL[..=self as usize]
    }

    /// The name in lower case: `vulkan`.
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

/// The type of an adapter, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU made available to a virtual machine.
    Virtual,
    /// A GPU of unknown type; GL rarely reports more.
    Unknown,
    /// A software implementation that runs on the CPU.
    Software,
}

impl fmt::Display for AdapterKind {
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

/// The limits that matter for training, under WebGPU's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// Bytes of a buffer that can be bound to a kernel.
    pub max_storage_buffer_binding_size: u64,
    /// Bytes of a buffer.
    pub max_buffer_size: u64,
    /// Bytes of memory that the invocations of a workgroup share.
    pub max_compute_workgroup_storage_size: u32,
    /// Invocations of a workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Storage buffers that can be bound to a kernel.
    pub max_storage_buffers_per_shader_stage: u32,
}

impl AdapterLimits {
    /// WebGPU's default limits, which are all that the kernels need.
    pub const NEEDED: Self = Self {
        max_storage_buffer_binding_size: 128 << 20,
        max_buffer_size: 256 << 20,
        max_compute_workgroup_storage_size: 16 << 10,
        max_compute_invocations_per_workgroup: 256,
        max_storage_buffers_per_shader_stage: 8,
    };

    /// Describes the first limit that is below [`Self::NEEDED`].
    pub fn shortfall(&self) -> Option<String> {
        let needed = Self::NEEDED;
        [
            (
                "bytes per storage binding",
                self.max_storage_buffer_binding_size,
                needed.max_storage_buffer_binding_size,
            ),
            ("bytes per buffer", self.max_buffer_size, needed.max_buffer_size),
            (
                "bytes of workgroup memory",
                self.max_compute_workgroup_storage_size.into(),
                needed.max_compute_workgroup_storage_size.into(),
            ),
            (
                "invocations per workgroup",
                self.max_compute_invocations_per_workgroup.into(),
                needed.max_compute_invocations_per_workgroup.into(),
            ),
            (
                "storage buffers per kernel",
                self.max_storage_buffers_per_shader_stage.into(),
                needed.max_storage_buffers_per_shader_stage.into(),
            ),
        ]
        .into_iter()
        .find(|(_, has, needs)| has < needs)
        .map(|(what, has, needs)| format!("{has} {what}, at least {needs} needed"))
    }
}

/// An adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// Its index among all adapters of this machine.
    pub index: usize,
    /// The name that the driver reports.
    pub name: String,
    /// The backend that lists it.
    pub backend: ApiBackend,
    /// Its kind of hardware.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// The driver's name and version.
    pub driver: String,
    /// The PCI vendor ID, as reported by the backend.
    #[serde(skip)]
    pub vendor: u32,
    /// The PCI device ID; 0 if the backend does not report it, as with GL.
    #[serde(skip)]
    pub device: u32,
    /// Its limits.
    pub limits: AdapterLimits,
    /// Why it cannot be used, if it cannot.
    pub unfit: Option<String>,
}

impl AdapterInfo {
    /// Whether this is a software adapter. Checked by name too, since not every driver reports it.
    pub fn is_software(&self) -> bool {
        const NAMES: [&str; 5] =
            ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "microsoft basic render driver"];
        let name = self.name.to_lowercase();
        self.kind == AdapterKind::Software || NAMES.iter().any(|software| name.contains(software))
    }

    /// Whether two adapters of different backends are the same physical GPU.
    pub(crate) fn is_same_gpu_as(&self, other: &Self) -> bool {
        if self.backend == other.backend {
            return false;
        }
        let same_model = self.vendor == other.vendor
            && self.device == other.device
            && self.vendor != 0
            && self.device != 0;
        // GL reports the name of a renderer and no ID: "NVIDIA RTX 4090/PCIe/SSE2" is "NVIDIA RTX 4090".
        // Mesa's software renderer adds different details to its name in each backend.
        let (name, other) = (self.name.to_lowercase(), other.name.to_lowercase());
        let same_name = name.contains(&other)
            || other.contains(&name)
            || (name.contains("llvmpipe") && other.contains("llvmpipe"));
        same_model || same_name
    }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.backend, self.kind)
    }
}
