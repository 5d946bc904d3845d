//! The definition of LeNet-5: layers and shapes, names and offsets of parameters, initialisation, and model files.
//!
//! The computation itself is in the engines.

mod activation;
mod ensemble;
mod fit;
mod frozen;
pub mod init;
mod last_layer;
pub mod lenet;
mod model_info;
pub mod parameters;
pub mod shapes;
pub mod summary;
pub mod weights;

pub use activation::Activation;
pub use ensemble::{Ensemble, EnsembleError, NamedModel};
pub use fit::{Fit, PADDED_SIDE, margins};
pub use frozen::Frozen;
pub use init::Init;
pub use lenet::LeNet5;
pub use model_info::{Model, ModelInfo, Selection, SelectionSplit};
pub use parameters::{ParameterTable, Tensor};
pub use shapes::{ConvShape, DenseShape, NormShape, PoolShape};
