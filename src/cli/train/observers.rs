//! The observers of a run: the saver of its files, the progress on stderr, TensorBoard and the page. All are attached
//! before the first step.

use std::time::Instant;

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
use crate::train::Listener;

/// Attaches the observers to a run. Each epoch is printed to `json`, if any. The page is returned separately, because it
/// announces the end of the run after training.
pub fn attach<'a>(
    begun: &Begun,
    followed: Followed,
    args: &TrainArgs,
    started: Instant,
    json: Option<&'a mut Output>,
) -> Result<(Session<'a>, Option<RunServer>), Failure> {
    let Begun { engine, data, training, parameters, state, .. } = begun;
    let Followed { files, is_resumed, before, server } = followed;
    let run = files.directory.path().to_owned();
    let interrupt = Interrupt::listen(move || ending::stopped(&run))?;

    let mode = if args.output.quiet { ProgressMode::None } else { args.output.progress };
    let run = Run {
        device: escape(&files.config.engine.name).into_owned(),
        config: training.clone(),
        samples: data.train.len(),
        validation: data.validation.as_ref().map(|images| images.len()),
        test: data.test.len(),
    };
    let progress = Progress::start(mode, json.is_none(), run, state, &before);

    let events =
        args.tensorboard.start(files.directory.path(), is_resumed, &files.config, state, &data.train);
    let (tensorboard, step_losses) = events.unzip();

    let page = server.map(|server| {
        let network = files.config.network;
        let shown = ShownRun {
            model: Model { network, parameters: parameters.clone(), info: files.info.clone() },
            device: engine.name(),
            training,
            data,
            directory: &files.directory,
            before,
            interrupt: interrupt.clone(),
        };
        shown.serve(server)
    });
    let page = page.transpose()?;

    let saver = Saver::new(files, tensorboard).map_err(threads::cannot_start)?;
    let mut listeners: Vec<Box<dyn Listener>> = vec![Box::new(progress)];
    if let Some(losses) = step_losses {
        listeners.push(Box::new(losses));
    }
    listeners.extend(page.as_ref().map(RunServer::listener));
    let session = Session { started, stopping: training.stopping, saver, interrupt, json, listeners };
    Ok((session, page))
}
