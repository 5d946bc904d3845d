//! Trains LeNet-5 on MNIST, which is built into the library, for one epoch on the CPU. Prints the test accuracy and saves
//! the model to `mnist.safetensors`, or to the file given on the command line.
//!
//! ```sh
//! cargo run --release --example train_mnist
//! ```

use std::env;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;

use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Conversion, Dataset};
use lenet_gpu::engine::{Engine, Setup};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::train::{
    EpochProgress, EpochRecord, Listener, RunError, RunState, Snapshot, TrainingConfig, train,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mnist = Dataset::embedded_mnist(Conversion::default())?;
    let config = TrainingConfig { epochs: 1.0, ..TrainingConfig::default() };

    let network = LeNet5::new(1, mnist.classes);
    let mut engine = CpuEngine::new(&Setup::new(network, config.batch_size));
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), config.seed))?;
    train(&mut engine, &mnist, &config, RunState::default(), &mut PrintEpochs)?;

    let about = ModelInfo { dataset: Some("mnist".to_owned()), fit: Some(mnist.fit), ..ModelInfo::default() };
    let model = Model { network, parameters: engine.parameters()?, about };
    let path = env::args().nth(1).unwrap_or("mnist.safetensors".to_owned());
    fs::write(&path, weights::to_bytes(&model))?;
    println!("saved {path}");
    Ok(())
}

/// Prints a line after each epoch.
struct PrintEpochs;

impl Listener for PrintEpochs {
    fn progress(&mut self, _: &EpochProgress) -> ControlFlow<()> {
        ControlFlow::Continue(()) // ControlFlow::Break would end the run early
    }

    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        println!("epoch {}: test accuracy {:.2} %", record.epoch, 100.0 * record.test_accuracy);
        Ok(ControlFlow::Continue(()))
    }
}
