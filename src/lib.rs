//! LeNet-5 trained entirely on the GPU by WGSL compute shaders, with a CPU engine as reference.
//!
//! # Example
//!
//! Train on the built-in MNIST and print the test accuracy:
//!
//! ```
//! use lenet_gpu::data::{Conversion, Dataset};
//! use lenet_gpu::device::{Device, DeviceRequest};
//! use lenet_gpu::engine::{Engine, Setup};
//! use lenet_gpu::model::{Init, LeNet5, ParameterTable};
//! use lenet_gpu::train::{RunState, TrainingConfig, train};
//!
//! let mnist = Dataset::embedded_mnist(Conversion::default())?;
//! # let mnist = mnist.limited(std::num::NonZero::new(1280), std::num::NonZero::new(500)); // keeps this test fast
//! let config = TrainingConfig { epochs: 1.0, ..TrainingConfig::default() };
//!
//! let network = LeNet5::new(1, mnist.classes);
//! let device = Device::find(&DeviceRequest::default())?; // the best GPU, or else the CPU
//! let mut engine = device.open(&Setup::new(network, config.batch_size))?;
//! engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), config.seed))?;
//! let summary = train(&mut engine, &mnist, &config, RunState::default(), &mut ())?;
//!
//! let accuracy = summary.last.map_or(0.0, |epoch| epoch.test_accuracy);
//! println!("{:.2} % of the test images are classified correctly", 100.0 * accuracy);
//! # assert!(accuracy > 0.5, "{accuracy}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Architecture
//!
//! Data flows one way: data set → batches → engine → metrics → report.
//!
//! | module | contents |
//! |---|---|
//! | [`data`] | data sets: formats, image folders, downloads, fitting to 32×32, splitting, augmentation |
//! | [`model`] | the definition of LeNet-5: layers, shapes, parameter names, initial weights, model files |
//! | [`engine`] | the [`Engine`](engine::Engine) trait and the types in its interface; independent of any engine |
//! | [`cpu`] | the CPU engine: one file per operation, each with a naive definition and a fast loop; the reference |
//! | [`gpu`] | the GPU engine: the only module that uses wgpu |
//! | [`memory`] | the memory budget that all readers of data share |
//! | [`device`] | choosing a device of this machine and opening an engine on it |
//! | [`ranks`] | the processes of a job that train together |
//! | [`train`] | the training loop, schedules, early stopping, metrics, checkpoints, run directories |
//! | [`verify`] | the table of all checks of GPU kernels against the f64 reference |
//! | [`predict`], [`export`] | classify images; write a model for other programs |
//!
//! On the GPU, a training step is described as data: a [`Recording`](gpu::recording::Recording) lists its buffers,
//! kernels and dispatches without any wgpu objects, and the executor runs it. Kernels are composed from
//! `shaders/kernels/`, `shaders/shared/` and `shaders/variants/`, with shapes and block sizes as constants.
//! Parameters, gradients and moments are one flat buffer each; activations share one workspace. Images stay on the
//! device as bytes. Within an epoch, only losses and predictions are read back, a few steps later, so that the device
//! never waits for the host. Several networks can share each dispatch, as a [`Population`](engine::Population): a
//! network is the z of a workgroup.
//!
//! Numerics: f32, NCHW, row-major. Every reduction has a fixed order, so the same program, device, seed and kernel
//! configuration give bit-identical weights.
//!
//! # Glossary
//!
//! | term | meaning |
//! |---|---|
//! | configuration | what the user chose: [`TrainingConfig`](train::TrainingConfig), [`RunConfig`](train::RunConfig) |
//! | kernel | one WGSL entry point with its constants |
//! | kernel configuration | kernel set and block sizes, [`KernelConfig`](gpu::KernelConfig) |
//! | dispatch | one launch of a kernel |
//! | step | one update by the optimizer |
//! | batch, micro-batch | the images of a step; a part of a batch whose gradients accumulate |
//! | epoch | one pass over the training images |
//! | split | training, validation or test images, [`Split`](engine::Split) |
//! | mode | training or evaluation, [`Mode`](engine::Mode) |
//! | arena | all parameters (or all gradients, or moments) in one buffer, in the order of [`ParameterTable`](model::ParameterTable) |
//! | workspace | activations, argmax indices and gradients of activations in one buffer |
//! | offset | the index of a tensor's first value in the arena or the workspace |
//! | ensemble | trained models whose probabilities are averaged, [`Ensemble`](model::Ensemble) |
//! | adapter, device | a GPU as wgpu lists it; an opened adapter |
//! | CPU twin | the CPU function with the name of a kernel |
//! | reference | the result of the CPU engine in f64 |
//! | recording | the buffers, kernels and dispatches of a step, described as data |
//! | population, member | the networks that a GPU trains in the same dispatches; one of them |

#![warn(missing_docs)]
// Tests may compare with the functions of the standard library.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod cache;
mod calendar;
pub mod cpu;
pub mod data;
pub mod device;
pub mod engine;
mod escape;
pub mod export;
pub mod gpu;
mod hash;
pub mod memory;
pub mod model;
pub mod predict;
mod random;
pub mod ranks;
mod toml_names;
pub mod train;
pub mod verify;
mod version;
mod wording;

// The program. It is part of the library so that the library's internals can be private.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "cli")]
mod evaluate;
#[cfg(feature = "cli")]
mod paper;
#[cfg(feature = "cli")]
mod serve;
#[cfg(feature = "cli")]
mod sweep;
#[cfg(feature = "cli")]
mod tensorboard;

// Not part of the API: public for this package's tests and benches alone.
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod report;

// The example in the README is a doctest too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
