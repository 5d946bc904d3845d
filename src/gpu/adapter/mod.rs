//! Which device trains.
//!
//! [`survey()`] asks wgpu what there is and turns it into plain [`Description`]s;
//! [`choose`] is a pure function over those, so that the rules are tested without a
//! GPU; [`doctor`] says what to install where nothing was found. [`Device::find`] joins the three.
//!
//! The rules: a discrete GPU, then an integrated one, then a virtual one, then the CPU engine. GL is
//! asked only where the other backends have no GPU. A software adapter (lavapipe, WARP, SwiftShader)
//! is a hundredfold slower than what its name suggests, so it is taken only where it is asked for by
//! backend or by name, and that is said.

mod choice;
mod description;
pub mod doctor;
mod survey;

pub use choice::{AdapterName, Choice, ChoiceError, Request, Wanted, choose};
pub use description::{ApiBackend, Description, Kind, Limits};
pub use survey::{Answer, Found, Survey, survey};

/// What was chosen to train on.
#[derive(Debug)]
pub enum Device {
    /// The CPU engine.
    Cpu {
        /// Why, for people.
        reason: String,
    },
    /// An adapter, ready to be opened.
    Gpu(Chosen),
}

/// An adapter that was chosen, and why.
#[derive(Debug)]
pub struct Chosen {
    pub adapter: wgpu::Adapter,
    pub description: Description,
    /// For people.
    pub reason: String,
}

impl Chosen {
    /// What [`Device::find`] takes where it takes a GPU, else a software adapter: for tests and benches of the
    /// kernels, which the CPU engine is no help to.
    ///
    /// # Errors
    /// What the first backend answered where none has an adapter: it tells what to install.
    pub fn any() -> Result<Self, DeviceError> {
        let mut answer = None;
        for backend in [Wanted::Auto].into_iter().chain(ApiBackend::ALL.map(Wanted::Backend)) {
            match Device::find(&Request { backend, adapter: None }) {
                Ok(Device::Gpu(chosen)) => return Ok(chosen),
                Ok(Device::Cpu { .. }) => {}
                Err(error) => drop(answer.get_or_insert(error)),
            }
        }
        Err(answer.expect("a backend that was named has an adapter or an error"))
    }
}

/// Why there is no device to train on.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The request itself cannot be met on this machine, and another one could.
    #[error(transparent)]
    Choice(#[from] ChoiceError),

    /// The backend that was asked for has no adapter.
    #[error("{0}")]
    NoAdapter(String),
}

impl Device {
    /// Asks wgpu no more than the request needs (each backend costs time at the start), and chooses.
    pub fn find(request: &Request) -> Result<Self, DeviceError> {
        let (first, then): (&[ApiBackend], &[ApiBackend]) = match (&request.adapter, request.backend) {
            (_, Wanted::Cpu) => (&[], &[]),
            // GL ranks below all others, so it need not be asked where they have a GPU.
            (None, Wanted::Auto) => (&ApiBackend::NATIVE, &[ApiBackend::Gl]),
            // Indices count through all backends, so those before the wanted one are asked too.
            (None, Wanted::Backend(backend)) => (backend.and_those_before(), &[]),
            (Some(_), _) => (&ApiBackend::ALL, &[]),
        };

        let mut found = survey(first);
        let mut choice = choose(&found.descriptions(), request);
        if matches!(choice, Ok(Choice::Cpu { .. })) && !then.is_empty() {
            found.extend(survey(then));
            choice = choose(&found.descriptions(), request);
        }

        match choice {
            Ok(Choice::Cpu { reason }) => Ok(Self::Cpu { reason }),
            Ok(Choice::Gpu { index, reason }) => {
                let Found { description, adapter } = found.adapters.swap_remove(index);
                Ok(Self::Gpu(Chosen { adapter, description, reason }))
            }
            Err(ChoiceError::NoAdapter(backend)) => {
                found.ask_the_rest();
                Err(DeviceError::NoAdapter(doctor::no_adapter(
                    backend,
                    &found.answers,
                    &doctor::Platform::here(),
                )))
            }
            Err(error) => Err(error.into()),
        }
    }
}
