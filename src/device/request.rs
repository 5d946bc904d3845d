//! Which device is wanted.

use std::convert::Infallible;
use std::str::FromStr;

use crate::gpu::adapter::ApiBackend;

/// Which device to choose. The default is the best GPU, or the CPU engine if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceRequest {
    /// The backend, or `Auto`.
    pub backend: WantedBackend,
    /// One adapter among several; `None` chooses the best.
    pub adapter: Option<AdapterName>,
}

/// The backend of a [`DeviceRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WantedBackend {
    /// The best GPU of any backend, or the CPU engine if there is none.
    #[default]
    Auto,
    /// The best adapter of one backend, including software adapters.
    Backend(ApiBackend),
    /// The CPU engine.
    Cpu,
}

/// How a [`DeviceRequest`] names an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterName {
    /// An index as [`Device`](super::Device) counts adapters.
    Index(usize),
    /// A part of the adapter's name, ignoring case.
    Part(String),
}

impl FromStr for AdapterName {
    type Err = Infallible;

    /// Reads a whole number as an index and any other text as a name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Part(text.to_owned()), Self::Index))
    }
}
