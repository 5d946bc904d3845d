//! The GPUs of this machine, as wgpu lists them.
//!
//! [`survey()`] asks each backend for its adapters and describes them as plain [`AdapterInfo`]s, to choose among.
//! [`Platform`] has advice on which driver to install if there are none.

mod description;
mod drivers;
mod survey;

pub use description::{AdapterInfo, AdapterKind, AdapterLimits, ApiBackend};
pub use drivers::Platform;
pub use survey::{AdapterSurvey, BackendAnswer, FoundAdapter, survey};

/// An adapter that was chosen to compute on.
#[derive(Debug)]
pub struct ChosenAdapter {
    /// The adapter.
    pub adapter: wgpu::Adapter,
    /// What is known about it.
    pub description: AdapterInfo,
    /// Why it was chosen, for display.
    pub reason: String,
}
