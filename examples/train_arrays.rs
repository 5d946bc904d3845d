//! Trains on images that are arrays in memory, without any files, and classifies a new image.
//!
//! The images are 20×20, noisy, with a bar that is horizontal, vertical or diagonal. Images of any size up to 32×32 can
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
use lenet_gpu::train::{EpochRecord, Listener, RunError, RunState, Snapshot, TrainingConfig, train};

const SIDE: usize = 20;
const CLASSES: [&str; 3] = ["horizontal", "vertical", "diagonal"];

fn main() -> Result<(), Box<dyn Error>> {
    let random = &mut Random(1998);
    let class_names = Some(CLASSES.map(str::to_owned).to_vec());
    let data = Dataset {
        name: "bars".to_owned(),
        kind: None,
        classes: CLASSES.len(),
        class_names: class_names.clone(),
        fit: Fit::Pad,
        train: Arc::new(images(3_000, random)),
        validation: None,
        test: Arc::new(images(600, random)),
    };

    let config = TrainingConfig { epochs: 5.0, batch_size: 32, ..TrainingConfig::default() };
    let network = LeNet5::new(1, data.classes);
    let mut engine = CpuEngine::new(&Setup::new(network, config.batch_size));
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), config.seed))?;
    train(&mut engine, &data, &config, RunState::default(), &mut PrintEpochs)?;

    let info = ModelInfo { fit: Some(data.fit), class_names, ..ModelInfo::default() };
    let model = Model { network, parameters: engine.parameters()?, info };
    let mut classifier = Classifier::with_engine(model, Box::new(engine))?;
    let image = ImageFile { channels: 1, height: SIDE, width: SIDE, pixels: bar(2, random) };
    let best = classifier.classify(image)?.best();
    println!("a diagonal bar is {} ({:.1} %)", classifier.class_name(best.class), 100.0 * best.probability);
    Ok(())
}

/// A set of `count` images: N×C×H×W bytes and N labels.
fn images(count: usize, random: &mut Random) -> ImageSet {
    let labels: Vec<u16> = (0..count).map(|_| random.below(CLASSES.len()) as u16).collect();
    let pixels = labels.iter().flat_map(|&label| bar(label.into(), random)).collect();
    ImageSet { channels: 1, height: SIDE, width: SIDE, pixels, labels }
}

/// One image, H×W bytes, with a bar of the given class at a random position, and noise.
fn bar(class: usize, random: &mut Random) -> Vec<u8> {
    let mut image: Vec<u8> = (0..SIDE * SIDE).map(|_| random.below(160) as u8).collect();
    let position = random.below(SIDE);
    for i in 0..SIDE {
        let (row, column) = match class {
            0 => (position, i),
            1 => (i, position),
            _ => (i, (i + position) % SIDE),
        };
        image[row * SIDE + column] = 100 + random.below(156) as u8;
    }
    image
}

/// A small random number generator (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Prints a line after each epoch.
struct PrintEpochs;

impl Listener for PrintEpochs {
    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        let (loss, accuracy) = (record.train_loss, 100.0 * record.test_accuracy);
        println!("epoch {}: training loss {loss:.4}, test accuracy {accuracy:.2} %", record.epoch);
        Ok(ControlFlow::Continue(()))
    }
}
