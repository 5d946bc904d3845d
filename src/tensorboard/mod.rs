//! TensorBoard's event files.
//!
//! An event file is a sequence of TFRecords, each with one `Event` as a Protocol Buffers message. A folder with event
//! files is a run to TensorBoard, and the files are read in the order of their names, so a resumed run begins a new file
//! beside the first.
//!
//! Scalars, images and histograms are written in the form that PyTorch's `SummaryWriter` uses, because scripts that read
//! event files (`EventAccumulator.Scalars` and its like) know only this form. TensorBoard itself converts it.
//!
//! The step of every event is the number of optimizer steps since the run began, also where there is one event per epoch:
//! TensorBoard discards what a killed run did after its last checkpoint by this number, for all tags at once.

mod event_file;
mod filters;
mod histogram;
mod hparams;
mod messages;
mod record;
mod run_events;
mod step_losses;

pub use event_file::{EventFile, EventFileError, has_event_files, is_event_file};
pub use run_events::{Ending, RunEvents};
pub use step_losses::StepLosses;
