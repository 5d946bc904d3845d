//! The page that shows a run while it trains.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use clap::Args;

use crate::calendar::Utc;
use crate::cli::interrupt::Interrupt;
use crate::cli::serve::{DEFAULT_PORT, LOCAL, failure};
use crate::cli::{Failure, notice, threads};
use crate::cpu::CpuEngine;
use crate::data::{Dataset, TestTimeAugmentation};
use crate::model::Model;
use crate::predict::Preprocessing;
use crate::serve::{
    AboutRun, LIVE_ID, LiveRun, ModelEntry, ModelSetting, Publisher, ServeError, Server, Site, Source, Usage,
};
use crate::train::{EpochRecord, Listener, RunDirectory, RunOutcome, StoredRun, TrainingConfig};

/// The folder of corrected answers.
const CORRECTIONS: &str = "corrections";

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct ServeArgs {
    /// Show the run on a local web page, with its curves, filters and mistakes, a field to draw on, and a button that ends
    /// it like Ctrl-C; 0 chooses a free port [default: no page; without PORT: 8080]
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = DEFAULT_MISSING)]
    serve: Option<u16>,
}

/// [`DEFAULT_PORT`] as it would be typed.
const DEFAULT_MISSING: &str = "8080";
const _: () = assert!(DEFAULT_PORT == 8080);

impl ServeArgs {
    /// Listens, if a page was requested: before anything else, so that a port that is in use is reported early.
    pub fn listen(&self) -> Result<Option<Server>, Failure> {
        self.serve.map(|port| Server::listen(LOCAL, port).map_err(failure)).transpose()
    }
}

/// A server that shows the run of this process, on a thread of its own. When it is dropped, it ends once all pages know
/// how the run has ended.
#[derive(Debug)]
pub struct RunServer {
    run: Arc<LiveRun>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

/// A run that is about to train.
pub struct ShownRun<'a> {
    /// The network as it is before the run's next step.
    pub model: Model,
    /// The name of the device.
    pub device: String,
    pub training: &'a TrainingConfig,
    pub data: &'a Dataset,
    pub directory: &'a RunDirectory,
    /// The epochs before, if the run was resumed.
    pub before: Vec<EpochRecord>,
    pub interrupt: Interrupt,
}

impl ShownRun<'_> {
    /// Starts to answer requests.
    pub fn serve(self, server: Server) -> Result<RunServer, Failure> {
        let Self { model, device, training, data, directory, before: records, interrupt } = self;
        let name = StoredRun::name_of(directory.path());
        let samples = data.train.len();
        let about = AboutRun {
            name: name.clone(),
            device,
            network: model.network,
            epochs: training.epochs_started(samples),
            total_images: training.total_images(samples),
            test: Arc::clone(&data.test),
            stop: Box::new(move || interrupt.request()),
        };
        let entry = ModelEntry {
            id: LIVE_ID.to_owned(),
            name,
            path: directory.model_path(),
            others: Vec::new(),
            started: Some(Utc::of(SystemTime::now())),
            dataset: model.info.dataset.clone(),
            epochs: Some(records.len() as u64),
            test_accuracy: records.last().map(|last| last.test_accuracy),
            state: "running",
        };
        let run = Arc::new(LiveRun::new(about, records, model.parameters.clone()));
        let usage = Usage {
            // The engine that trains is not disturbed.
            open_engine: Box::new(|setup| Ok(Box::new(CpuEngine::new(setup)))),
            preprocessing: Preprocessing::Auto,
            views: TestTimeAugmentation::NONE,
            min_confidence: None,
        };
        let site = Site {
            source: Source::Live(Arc::clone(&run)),
            setting: ModelSetting { ensemble: model.into(), entry, usage },
            corrections: CORRECTIONS.into(),
        };
        let app = site.open(&server).map_err(failure)?;
        // Even with --quiet: nothing else says which port was chosen.
        notice::note(format_args!("the run is shown at {}", server.url()));
        let is_over = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_over);
        let serve = move || server.run(app, &|| stopped.load(Ordering::Relaxed));
        let thread =
            thread::Builder::new().name("server".to_owned()).spawn(serve).map_err(threads::cannot_start)?;
        Ok(RunServer { run, is_over, thread: Some(thread) })
    }
}

impl RunServer {
    /// Follows the run.
    pub fn listener(&self) -> Box<dyn Listener> {
        Box::new(Publisher::new(Arc::clone(&self.run)))
    }

    /// Announces how the run ended.
    pub fn end(&self, outcome: RunOutcome) {
        self.run.end(match outcome {
            RunOutcome::Finished => "finished",
            RunOutcome::Stopped(_) => "stopped",
            RunOutcome::Interrupted => "interrupted",
        });
    }
}

impl Drop for RunServer {
    fn drop(&mut self) {
        if !self.run.has_ended() {
            self.run.end("failed");
        }
        self.is_over.store(true, Ordering::Relaxed);
        let served = self.thread.take().map(JoinHandle::join);
        // The run itself is not affected.
        match served {
            None | Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => notice::warning(failure(error)),
            Some(Err(_)) => notice::warning(failure(io::Error::other("its thread failed").into())),
        }
    }
}
