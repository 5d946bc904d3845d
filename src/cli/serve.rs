//! `lenet-gpu serve`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::engine::{self, EngineArgs};
use super::interrupt::Interrupt;
use super::memory_args::MemoryArgs;
use super::model_arg::{self, LoadedModels, ModelsArg};
use super::preprocessing_args::{ConfidenceArgs, PreprocessingArgs};
use super::tta_args::TtaArgs;
use super::{Ending, Failure, Output, notice};
use crate::predict::PredictError;
use crate::serve::{Library, ModelEntry, ModelSetting, ServeError, Server, Site, Source, Usage};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu serve
          the newest run in runs/, at http://127.0.0.1:8080/
  lenet-gpu serve runs/mnist-20261122-174530 --port 0
          a certain run, on any free port
  lenet-gpu serve model.safetensors --backend cpu
          a model file, on the CPU
  lenet-gpu serve runs/a runs/b runs/c
          the mean of the probabilities of three models
  lenet-gpu train --data-dir corrections --validation-split 0.2 --init-from runs/mnist-20261122-174530
          train on the answers that were corrected on the page

Ctrl-C ends the server.";

/// Classify drawings and images on a local web page
///
/// The page shows the probabilities, the image as the network sees it, and the output of each layer, computed on the
/// selected device. It is for this machine only, unless --host says otherwise. The page's address is printed on stdout.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ServeArgs {
    #[command(flatten)]
    models: ModelsArg,

    /// Folder of the runs to choose from on the page; without MODEL, its newest model is loaded
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    /// Folder for images whose answers are corrected on the page, as CLASS/*.png; created with the first image
    #[arg(long, value_name = "DIR", default_value = "corrections")]
    corrections: PathBuf,

    #[command(flatten)]
    address: AddressArgs,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    #[command(flatten)]
    tta: TtaArgs,

    #[command(flatten)]
    memory: MemoryArgs,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    confidence: ConfidenceArgs,

    /// Print only the page's address and warnings
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

/// Where the server listens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Address")]
struct AddressArgs {
    /// Port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,

    /// IP address to listen on; any other than 127.0.0.1 lets other machines see and do everything on the page
    #[arg(long, value_name = "ADDRESS", default_value_t = LOCAL, value_parser = host)]
    host: IpAddr,
}

/// The port without `--port`.
pub const DEFAULT_PORT: u16 = 8080;

/// The address without `--host`: this machine alone.
pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn host(typed: &str) -> Result<IpAddr, String> {
    match typed {
        "localhost" => Ok(LOCAL),
        _ => typed.parse().map_err(|_| "must be an IP address, such as 127.0.0.1 or 0.0.0.0".to_owned()),
    }
}

pub fn run(args: ServeArgs, output: &mut Output) -> Result<Ending, Failure> {
    args.memory.apply();
    let mut library = Library::new(args.runs.clone());
    let (ensemble, entry) = match args.models.load_if_given()? {
        Some(LoadedModels { paths, ensemble }) => {
            let entry = library.add(ModelEntry::of_files(&paths, &ensemble.lead().info));
            (ensemble, entry)
        }
        None => {
            let newest = library.newest().ok_or_else(|| {
                Failure::usage(
                    format!("no model to show: {} has no run with a model", args.runs.display()),
                    "`lenet-gpu train` trains one on MNIST; or give a model file or the folder of a run",
                )
            })?;
            (model_arg::load(&newest.path)?.model.into(), newest)
        }
    };
    let preparation = args.preprocessing.preparation(&ensemble)?;
    let server = Server::listen(args.address.host, args.address.port).map_err(failure)?;
    let device = args.engine.open()?;
    device.warn_of_software();
    args.tta.warn(&ensemble);
    let reason = device.reason().to_owned();
    args.preprocessing.note(ensemble.lead(), preparation, args.quiet);

    let name = entry.name.clone();
    let usage = Usage {
        open_engine: Box::new(move |setup| device.one_engine(setup)),
        preprocessing: args.preprocessing.preprocessing(),
        views: args.tta.views,
        min_confidence: args.confidence.min_confidence,
    };
    let site = Site {
        source: Source::Library(Arc::new(library)),
        setting: ModelSetting { ensemble, entry, usage },
        corrections: args.corrections,
    };
    let app = site.open(&server).map_err(failure)?;
    let interrupt = Interrupt::listen(|| "requests under way have no answer".to_owned())?;
    if !args.address.host.is_loopback() {
        notice::warning(format_args!(
            "--host {}: every machine that reaches this address can use the page, choose the model and save images",
            args.address.host
        ));
    }
    if !args.quiet {
        notice::note(format_args!("{name} on {}: {reason}", app.device()));
        notice::note("Ctrl-C ends the server; the page is at");
    }
    output.line(&server.url())?;
    server.run(app, &|| interrupt.is_requested()).map_err(failure)?;
    // The usual end of a server, which leaves nothing undone.
    Ok(Ending::Done)
}

/// Sorts an error of the server: wrong input if the model or the options are to blame.
pub fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Model(PredictError::Engine(error)) => engine::failure(error),
        ServeError::Model(PredictError::Channels { .. }) => Failure::input(error),
        _ => Failure::work(error),
    }
}
