//! The observers of a run: the saver of its files, the progress on stderr, TensorBoard and the page. All are attached
//! before the first step.

use std::time::Instant;

use super::advice::DivergenceWarning;
use super::beginning::{Begun, Followed};
use super::progress::{Progress, ProgressMode, Run};
use super::saver::Saver;
use super::serve::{RunServer, ShownRun};
use super::session::Session;
use super::{TrainArgs, ending};
use crate::cli::interrupt::Interrupt;
use crate::cli::{Failure, Output, threads};
use crate::escape::escape;
use crate::model::Model;
use crate::serve::Server;
use crate::train::Listener;

/// The observers that a run alone and a member of a sweep do not have in common.
pub struct Observers<'a> {
    /// When the program started.
    pub started: Instant,
    pub interrupt: Interrupt,
    /// Where each epoch is printed.
    pub json: Option<&'a mut Output>,
    pub listeners: Vec<Box<dyn Listener + 'a>>,
}

/// Attaches the observers to a run alone. Each epoch is printed to `json`, if any. The page is returned separately, because
/// it announces the end of the run after training.
pub fn attach<'a>(
    begun: &Begun,
    followed: Followed,
    args: &TrainArgs,
    server: Option<Server>,
    started: Instant,
    json: Option<&'a mut Output>,
) -> Result<(Session<'a>, Option<RunServer>), Failure> {
    let Begun { data, training, parameters, state, .. } = begun;
    let Followed { files, before, .. } = &followed;
    let run = files.directory.path().to_owned();
    let interrupt = Interrupt::listen(move || ending::stopped(&run))?;

    let mode = if args.output.quiet { ProgressMode::None } else { args.output.progress };
    let device = &files.config.engine.name;
    let run = Run {
        device: escape(device).into_owned(),
        config: training.clone(),
        samples: data.train.len(),
        validation: data.validation.as_ref().map(|images| images.len()),
        test: data.test.len(),
    };
    let progress = Progress::start(mode, json.is_none(), run, state, before);

    let page = server.map(|server| {
        let network = files.config.network;
        let shown = ShownRun {
            model: Model { network, parameters: parameters.clone(), info: files.info.clone() },
            device: device.clone(),
            training,
            data,
            directory: &files.directory,
            before: before.clone(),
            interrupt: interrupt.clone(),
        };
        shown.serve(server)
    });
    let page = page.transpose()?;

    let mut listeners: Vec<Box<dyn Listener>> = vec![Box::new(DivergenceWarning), Box::new(progress)];
    listeners.extend(page.as_ref().map(RunServer::listener));
    let session = Observers { started, interrupt, json, listeners }.attach(begun, followed, args)?;
    Ok((session, page))
}

impl<'a> Observers<'a> {
    /// Attaches them to a run, after the ones that every run has.
    pub fn attach(
        mut self,
        begun: &Begun,
        followed: Followed,
        args: &TrainArgs,
    ) -> Result<Session<'a>, Failure> {
        let Followed { files, is_resumed, .. } = followed;
        let run = files.directory.path();
        let events = args.tensorboard.start(run, is_resumed, &files.config, &begun.state, &begun.data.train);
        let (tensorboard, step_losses) = events.unzip();
        if let Some(losses) = step_losses {
            self.listeners.push(Box::new(losses));
        }
        let saver = Saver::new(files, tensorboard).map_err(threads::cannot_start)?;
        let Self { started, interrupt, json, listeners } = self;
        let stopping = begun.training.stopping;
        Ok(Session { started, stopping, saver, interrupt, json, listeners, has_last_weights: false })
    }
}
