//! Trains LeNet-5 on MNIST, which is built into the library, for one epoch. Prints the test accuracy and saves the model
//! to `mnist.safetensors`, or to the file given on the command line. Uses a GPU if there is one, else the CPU.
//!
//! ```sh
//! cargo run --release --example train_mnist
//! ```

use std::env;
use std::error::Error;
use std::fs;

use lenet_gpu::data::{Conversion, DataLocation, DataSource, Dataset};
use lenet_gpu::device::{Device, DeviceRequest};
use lenet_gpu::engine::{Engine, Setup};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::train::{RunState, TrainingConfig, train};

fn main() -> Result<(), Box<dyn Error>> {
    let mnist = Dataset::embedded_mnist(Conversion::default())?;
    let config = TrainingConfig { epochs: 1.0, ..TrainingConfig::default() };

    let network = LeNet5::new(1, mnist.classes);
    let device = Device::find(&DeviceRequest::default())?;
    let mut engine = device.open(&Setup::new(network, config.batch_size))?;
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), config.seed))?;
    // The listener `()` ignores progress; the example `train_arrays` has one that prints each epoch.
    let summary = train(&mut engine, &mnist, &config, RunState::default(), &mut ())?;
    let accuracy = summary.last.map_or(0.0, |epoch| epoch.test_accuracy);
    println!("trained on {}: {:.2} % of the test images are correct", engine.name(), 100.0 * accuracy);

    // `predict` and `evaluate` read from this how to prepare images and which ones to test with.
    let source = Some(DataSource::new(DataLocation::BuiltIn, &mnist));
    let info =
        ModelInfo { dataset: Some("mnist".to_owned()), fit: Some(mnist.fit), source, ..ModelInfo::default() };
    let model = Model { network, parameters: engine.parameters()?, info };
    let path = env::args().nth(1).unwrap_or("mnist.safetensors".to_owned());
    fs::write(&path, weights::to_bytes(&model))?;
    println!("saved {path}");
    Ok(())
}
