//! Hints for errors, in terms of the command line. Library errors say what is wrong; the hints name the option to
//! change.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::path::Path;

use crate::bench::ResultsError;
use crate::data::{DataError, ImageFileError, ImageFolderError};
use crate::device::{ChoiceError, DeviceError};
use crate::engine::EngineError;
use crate::gpu::adapter::Platform;
use crate::memory::OverBudget;
use crate::model::weights::{Foreign, LoadError, WeightsError};
use crate::paper::PaperError;
use crate::serve::ServeError;
use crate::sweep::{HalvingError, MergeError, PlanError, SweepError};
use crate::train::{CheckpointError, RunDirectory, RunError, TrainError, TrainingConfigError};

use super::resume_command::{resume_command, resume_sweep_command};

type Hint = Option<Cow<'static, str>>;

/// An error of the command line itself, with a hint.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HintedError {
    pub message: String,
    /// What to type instead.
    pub hint: Option<String>,
}

/// The same for a file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UnreadableFile {
    pub message: String,
    pub hint: String,
    pub source: io::Error,
}

/// What options and arguments for a run take.
pub const RUN_FOLDER: &str = "the folder of a run, such as runs/mnist-20261122-174530";

/// The hint for the first error of a chain that has one.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of).map(Cow::into_owned)
}

fn of(error: &(dyn Error + 'static)) -> Hint {
    None.or_else(|| error.downcast_ref().and_then(hinted))
        .or_else(|| error.downcast_ref().and_then(unreadable))
        .or_else(|| error.downcast_ref().and_then(train))
        .or_else(|| error.downcast_ref().and_then(paper))
        .or_else(|| error.downcast_ref().and_then(engine))
        .or_else(|| error.downcast_ref().and_then(training_config))
        .or_else(|| error.downcast_ref().and_then(checkpoint))
        .or_else(|| error.downcast_ref().and_then(run))
        .or_else(|| error.downcast_ref().and_then(data))
        .or_else(|| error.downcast_ref().and_then(image_folder))
        .or_else(|| error.downcast_ref().and_then(over_budget))
        .or_else(|| error.downcast_ref().and_then(device))
        .or_else(|| error.downcast_ref().and_then(choice))
        .or_else(|| error.downcast_ref().and_then(bench_results))
        .or_else(|| error.downcast_ref().and_then(model_file))
        .or_else(|| error.downcast_ref().and_then(serve))
        .or_else(|| error.downcast_ref().and_then(sweep))
        .or_else(|| error.downcast_ref().and_then(sweep_plan))
        .or_else(|| error.downcast_ref().and_then(merge))
        .or_else(|| error.downcast_ref().and_then(halving))
}

fn text(hint: &'static str) -> Hint {
    Some(hint.into())
}

fn hinted(error: &HintedError) -> Hint {
    error.hint.clone().map(Cow::from)
}

fn unreadable(error: &UnreadableFile) -> Hint {
    Some(error.hint.clone().into())
}

// Transparent errors do not appear in the chain of sources, so these two functions look at the error inside.

fn train(error: &TrainError) -> Hint {
    match error {
        TrainError::Engine(error) => engine(error),
        TrainError::Run(error) => run(error),
    }
}

fn paper(error: &PaperError) -> Hint {
    match error {
        PaperError::Engine(error) => engine(error),
        _ => None,
    }
}

fn engine(error: &EngineError) -> Hint {
    match error {
        EngineError::NonFinite { .. } | EngineError::NonFiniteLoss { .. } => {
            text("try a lower --lr or another --init")
        }
        EngineError::NonFiniteEvaluation { .. } => {
            text("train the model again with a lower --lr or another --init")
        }
        EngineError::BatchTooLarge { largest, .. } => {
            Some(format!("--batch-size {largest} is the largest that fits").into())
        }
        EngineError::PopulationTooLarge { largest, .. } => {
            Some(format!("--population {largest} is the largest that fits").into())
        }
        EngineError::TooManyClasses { .. } => text("--backend cpu supports any number of classes"),
        EngineError::NotFused(_) => text("--kernels auto uses the layered kernels in this case"),
        EngineError::SetTooLarge { .. } => text("--residency auto streams the images"),
        EngineError::OneProcess => text("start the command without mpirun"),
        EngineError::OtherRank { .. } => None,
        EngineError::Device(_) => {
            text("`lenet-gpu verify` checks the GPU and its driver; --backend cpu needs no GPU")
        }
    }
}

fn training_config(error: &TrainingConfigError) -> Hint {
    match error {
        TrainingConfigError::StepTooLong { .. } => text("use a smaller --lr-step-epochs or more --epochs"),
        TrainingConfigError::PatienceTooLong { .. } => text("use a smaller --patience or more --epochs"),
        TrainingConfigError::WarmupTooShort { .. } => text("use a larger --warmup, or --warmup 0"),
        TrainingConfigError::OutOfRange(_) => None,
        TrainingConfigError::Augmentation(_) => text("see --shift, --rotate and --scale"),
    }
}

fn checkpoint(error: &CheckpointError) -> Hint {
    match error {
        CheckpointError::NoState => text("--init-from starts a new run from these weights"),
        CheckpointError::Weights(WeightsError::Corrupt(_)) | CheckpointError::Inconsistent(_) => {
            text("--init-from with the run's model.safetensors starts a new run from its weights")
        }
        _ => None,
    }
}

fn run(error: &RunError) -> Hint {
    match error {
        RunError::HoldsARun { path } => Some(
            format!("`{}` resumes it; use --run-dir to choose another folder", resume_command(path)).into(),
        ),
        RunError::NoRun { .. } => Some(format!("give {RUN_FOLDER}; `lenet-gpu runs` lists them").into()),
        RunError::NotEmpty { .. } | RunError::Make { .. } => text("use --run-dir to choose another folder"),
        RunError::Metrics { path, .. } | RunError::Mismatch { path, .. } => path.parent().map(|run| {
            let checkpoint = RunDirectory::checkpoint_path(run);
            let restore = "restore metrics.jsonl and checkpoint.safetensors as the run left them";
            if checkpoint.exists() {
                format!("{restore}; or start a new run with --init-from {}", checkpoint.display()).into()
            } else {
                restore.into()
            }
        }),
        _ => None,
    }
}

fn sweep(error: &SweepError) -> Hint {
    match error {
        SweepError::HoldsASweep { path } => Some(
            format!("`{}` resumes it; use --run-dir to choose another folder", resume_sweep_command(path))
                .into(),
        ),
        SweepError::NotEmpty { .. } | SweepError::Make { .. } => {
            text("use --run-dir to choose another folder")
        }
        SweepError::NoSweep { .. } => text("give the folder of a sweep, such as runs/sweep-20261129-101500"),
        SweepError::Plan(error) => sweep_plan(error),
        _ => None,
    }
}

fn sweep_plan(error: &PlanError) -> Hint {
    match error {
        PlanError::NothingVaried => text("--vary lr=1e-3,1e-2 varies the learning rate"),
        PlanError::TooManyMembers { .. } => text("--samples 100 draws 100 settings at random"),
        PlanError::Distribution { name, values } => {
            Some(format!("--samples 20 draws from it; {name}={values}:5 is five values").into())
        }
        PlanError::OnlySeeds => text("omit --samples to train all seeds"),
        PlanError::TooManySamples { .. } => text("omit --samples to try all of them"),
        _ => None,
    }
}

fn merge(error: &MergeError) -> Hint {
    match error {
        MergeError::Missing { missing, of } => missing
            .first()
            .map(|number| format!("the same command with --shard {number}/{of} trains it").into()),
        MergeError::Incomplete { path, .. } => {
            Some(format!("`{}` trains the rest", resume_sweep_command(path)).into())
        }
        MergeError::Whole { .. } => {
            text("--merge takes the folders of all parts that were trained with --shard")
        }
        _ => None,
    }
}

fn halving(error: &HalvingError) -> Hint {
    match error {
        HalvingError::FewEpochs(_) => text("use more --epochs, or omit --halving"),
        HalvingError::FewSettings(_) => text("vary more values, or omit --halving"),
    }
}

fn data(error: &DataError) -> Hint {
    match error {
        DataError::Folder { .. } => text("--data-dir takes the folder of a data set"),
        DataError::NotAFolder { .. } => {
            text("--data-dir takes the folder with the data files, an .npz or .csv file, or CIFAR-10's .tar.gz")
        }
        DataError::Several { .. } => text("--data-dir takes the path of one of them"),
        DataError::SeveralKinds { kinds, .. } => {
            let kinds: Vec<_> = kinds.iter().map(|kind| format!("--dataset {kind}")).collect();
            Some(kinds.join(", or ").into())
        }
        DataError::PythonVersion { kind: "cifar10", .. } => {
            text("`lenet-gpu data fetch cifar10` downloads it")
        }
        DataError::NotRecognised { .. } => text("--help describes the formats under --dataset"),
        DataError::Unsplit { .. } => {
            text("--validation-split 0.2 holds out a fifth of each class for testing")
        }
        DataError::TooLargeToPad { .. } => text("use --fit resize"),
        // Other sets are recognised by the names of their files, so the kind need not have been requested.
        DataError::Label { kind: kind @ ("mnist" | "fashion-mnist" | "cifar10"), .. } => Some(
            format!(
                "omit --dataset {kind} to read another data set in the same format, or name it, such as --dataset \
                 emnist-letters"
            )
            .into(),
        ),
        DataError::ImageFolder(error) => image_folder(error),
        _ => None,
    }
}

fn image_folder(error: &ImageFolderError) -> Hint {
    match error {
        ImageFolderError::NoTestSplit { train, .. } => Some(
            format!(
                "`--data-dir {} --validation-split 0.2` holds out a fifth of each class for testing",
                train.display()
            )
            .into(),
        ),
        ImageFolderError::BadImage { fault: ImageFileError::Memory { source, .. }, .. } => {
            over_budget(source)
        }
        ImageFolderError::BadImage { .. } => text("--skip-bad-images skips unreadable images"),
        ImageFolderError::TooLargeToPad { .. } => text("use --fit resize"),
        _ => None,
    }
}

fn over_budget(error: &OverBudget) -> Hint {
    Some(more_memory(error).into())
}

/// The option that allows what exceeded the memory budget.
pub fn more_memory(error: &OverBudget) -> String {
    const MIB: u64 = 1 << 20;
    let mib = error.held.saturating_add(error.needed).div_ceil(MIB);
    format!("--max-memory {mib}M or more allows it, if the machine has that much memory")
}

fn device(error: &DeviceError) -> Hint {
    match error {
        DeviceError::Choice(error) => choice(error),
        DeviceError::NoAdapter(missing) => {
            let advice = match missing.alternative() {
                Some(backend) => format!("use --backend {}", backend.id()),
                None => Platform::current().driver_advice().to_owned(),
            };
            Some(format!("{advice}; or use the CPU with --backend cpu").into())
        }
    }
}

fn choice(error: &ChoiceError) -> Hint {
    match error {
        ChoiceError::AdapterOfCpu => text("omit --adapter, or choose a GPU with --backend"),
        ChoiceError::OtherBackend { .. } => text("omit --backend: the index alone identifies an adapter"),
        ChoiceError::NoSuchIndex { .. } | ChoiceError::NoSuchName { .. } => {
            text("--adapter takes an index or part of a name, as `lenet-gpu devices` lists them")
        }
        ChoiceError::Repeated { .. } => text("name each adapter once in --adapter"),
        ChoiceError::NoGpu { .. } => text("omit --adapter, or choose adapters by index or name"),
        ChoiceError::Ambiguous { .. } => text("--adapter INDEX selects one"),
        ChoiceError::Unfit { .. } => text("choose another --adapter, or --backend cpu"),
        ChoiceError::NoAdapter(_) => text("`lenet-gpu devices` lists the adapters of this machine"),
    }
}

fn bench_results(error: &ResultsError) -> Hint {
    match error {
        ResultsError::Parse { .. } | ResultsError::Format { .. } => {
            text("`lenet-gpu bench --output FILE` writes a new one")
        }
        ResultsError::Read { .. } => None,
    }
}

fn serve(error: &ServeError) -> Hint {
    match error {
        ServeError::Listen { source, .. } => match source.kind() {
            io::ErrorKind::AddrInUse => text("choose another port, or port 0 for any that is free"),
            io::ErrorKind::PermissionDenied => text("choose a port from 1024"),
            io::ErrorKind::AddrNotAvailable => {
                text("--host takes an address of this machine, or 0.0.0.0 for all")
            }
            _ => None,
        },
        ServeError::Memory(error) => over_budget(error),
        ServeError::Model(_) | ServeError::Run(_) => None,
    }
}

fn model_file(error: &LoadError) -> Hint {
    let WeightsError::Foreign(format) = error.reason() else { return None };
    match format {
        Foreign::PyTorch => {}
        Foreign::Onnx => return text("use the safetensors file that it was exported from"),
        Foreign::Keras | Foreign::NumPy => {
            return text(
                "the Python package safetensors saves arrays in this format; their names and shapes must be those that \
                 `lenet-gpu export` writes into FILE.safetensors",
            );
        }
    }
    let from = python_string(error.path());
    let to = python_string(&error.path().with_extension("safetensors"));
    Some(
        format!(
            "to convert it: python -c \"import torch, safetensors.torch as s; s.save_file(torch.load({from}, \
             map_location='cpu', weights_only=True), {to})\""
        )
        .into(),
    )
}

/// A path as a string in Python, within a shell's double quotes.
fn python_string(path: &Path) -> String {
    let shown = path.display().to_string();
    let is_plain = shown.chars().all(|c| c.is_alphanumeric() || "/.-_: ".contains(c));
    if is_plain { format!("'{shown}'") } else { "'FILE'".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn hints_come_from_the_library_error_in_a_chain() {
        let non_finite = || EngineError::NonFiniteLoss { sample: 3 };
        let too_large = || ImageFolderError::TooLargeToPad { path: PathBuf::new(), height: 40, width: 40 };
        for (error, option) in [
            (anyhow!(non_finite()), "--lr"),
            (anyhow!(non_finite()).context("training"), "--lr"),
            (anyhow!(TrainError::Engine(non_finite())), "--lr"),
            (anyhow!(DataError::ImageFolder(too_large())), "--fit resize"),
            (anyhow!(DeviceError::Choice(ChoiceError::AdapterOfCpu)), "--adapter"),
            (anyhow!(TrainingConfigError::WarmupTooShort { warmup: 0.1, steps: 2 }), "--warmup 0"),
        ] {
            let hint = hint(&error).unwrap_or_default();
            assert!(hint.contains(option), "{error:#}: {hint}");
        }
        assert_eq!(hint(&anyhow!("something else")), None);
    }
}
