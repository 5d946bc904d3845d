//! Classifies image files with a trained model and prints the three most probable classes of each.
//!
//! ```sh
//! cargo run --release --example train_mnist
//! cargo run --release --example classify_image -- mnist.safetensors seven.jpg
//! ```

use std::env;
use std::error::Error;
use std::path::PathBuf;

use lenet_gpu::predict::Classifier;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let model = arguments.next().ok_or("usage: classify_image MODEL.safetensors IMAGE...")?;

    // Images are preprocessed as the model requires. For a model trained on MNIST, the digits in a photograph are found.
    let mut classifier = Classifier::load(model)?;
    for path in arguments {
        println!("{}", path.display());
        for prediction in classifier.read_file(&path)?.predictions() {
            for likely in prediction.top(3) {
                print!("  {:5.1} %  {}", 100.0 * likely.probability, classifier.class_name(likely.class));
            }
            println!();
        }
    }
    Ok(())
}
