//! Trains on images that are arrays in memory, without any files, and classifies a new image.
//!
//! The images are 20×20 with one bright bar, which is horizontal, vertical or diagonal. Images of any size up to 32×32 can
//! be used in this way: the engine pads them.
//!
//! ```sh
//! cargo run --release --example train_arrays
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Dataset, Fit, ImageFile, ImageSet};
use lenet_gpu::engine::{Engine, Setup};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable};
use lenet_gpu::predict::Classifier;
use lenet_gpu::train::{
    EpochProgress, EpochRecord, Listener, RunError, RunState, Snapshot, TrainingConfig, train,
};

const SIDE: usize = 20;
const CLASSES: [&str; 3] = ["horizontal", "vertical", "diagonal"];

fn main() -> Result<(), Box<dyn Error>> {
    let class_names = Some(CLASSES.map(str::to_owned).to_vec());
    let data = Dataset {
        name: "bars".to_owned(),
        classes: CLASSES.len(),
        class_names: class_names.clone(),
        fit: Fit::Pad,
        train: Arc::new(images(0..3_000)),
        validation: None,
        test: Arc::new(images(3_000..3_600)),
    };

    let config = TrainingConfig { epochs: 3.0, batch_size: 32, ..TrainingConfig::default() };
    let network = LeNet5::new(1, data.classes);
    let mut engine = CpuEngine::new(&Setup::new(network, config.batch_size));
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), config.seed))?;
    train(&mut engine, &data, &config, RunState::default(), &mut PrintEpochs)?;

    let about = ModelInfo { fit: Some(data.fit), class_names, ..ModelInfo::default() };
    let model = Model { network, parameters: engine.parameters()?, about };
    let mut classifier = Classifier::with_engine(model, Box::new(engine))?;
    let image = ImageFile { channels: 1, height: SIDE, width: SIDE, pixels: bar(2, 5, 180) };
    let best = classifier.classify(image)?.best();
    println!("a diagonal bar is {} ({:.1} %)", classifier.class_name(best.class), 100.0 * best.probability);
    Ok(())
}

/// A set of images: N×C×H×W bytes and N labels.
fn images(numbers: std::ops::Range<usize>) -> ImageSet {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for number in numbers {
        let label = number % CLASSES.len();
        pixels.extend(bar(label, number * 7 % SIDE, 100 + number * 13 % 156));
        labels.push(label as u16);
    }
    ImageSet { channels: 1, height: SIDE, width: SIDE, pixels, labels }
}

/// One image, H×W bytes, with a bar of the given class, position and brightness (0 to 255).
fn bar(class: usize, position: usize, brightness: usize) -> Vec<u8> {
    let mut image = vec![0; SIDE * SIDE];
    for i in 0..SIDE {
        let (row, column) = match class {
            0 => (position, i),
            1 => (i, position),
            _ => (i, (i + position) % SIDE),
        };
        image[row * SIDE + column] = brightness as u8;
    }
    image
}

/// Prints a line after each epoch.
struct PrintEpochs;

impl Listener for PrintEpochs {
    fn so_far(&mut self, _: &EpochProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        let (loss, accuracy) = (record.train_loss, 100.0 * record.test_accuracy);
        println!("epoch {}: training loss {loss:.4}, test accuracy {accuracy:.2} %", record.epoch);
        Ok(ControlFlow::Continue(()))
    }
}
