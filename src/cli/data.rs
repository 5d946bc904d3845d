//! `lenet-gpu data`: downloads and lists the known data sets.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cache;
use crate::data::DatasetKind;
use crate::data::download::{self, Event, FetchError, FetchOutcome, PublishedSet, ServerUrl};
use anyhow::anyhow;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::failure::one_line;
use super::hints::HintedError;
use super::interrupt::Interrupt;
use super::progress::{self, Display, Row};
use super::{Ending, Failure, Output, notice, terminal, values};

/// Download and list data sets
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fetch(FetchArgs),
    List(ListArgs),
}

const AFTER_FETCH_HELP: &str = "\
Examples:
  lenet-gpu data fetch cifar10
          Download 170 MB into the cache, where `lenet-gpu train --dataset cifar10` finds it
  lenet-gpu data fetch fashion-mnist --to ~/fashion
          Download into a folder of your own, for --data-dir
  lenet-gpu data fetch cifar10 --from https://example.org/sets/
          Download cifar-10-binary.tar.gz from another server; its SHA-256 is checked as well

The cache is $LENET_GPU_CACHE if set, otherwise in the system's cache folder. An interrupted download \
resumes when the command is run again; a second Ctrl-C quits immediately. Proxies are taken from HTTPS_PROXY \
and similar variables.";

/// Download a data set and check its SHA-256
#[derive(Debug, Args)]
#[command(after_help = AFTER_FETCH_HELP)]
struct FetchArgs {
    /// Data set: cifar10 or fashion-mnist; mnist is built in, and its files are downloaded only with --to
    #[arg(value_name = "SET", value_parser = published(), hide_possible_values = true)]
    set: DatasetKind,

    /// Download only from this server: the URL of a folder with the data set's files under their official names, or,
    /// for cifar10, of its archive [default: the public servers in turn]
    #[arg(long, value_name = "URL")]
    from: Option<ServerUrl>,

    /// Folder to download into, new or empty [default: in the cache]
    #[arg(long, alias = "output", short_alias = 'o', value_name = "DIR")]
    to: Option<PathBuf>,

    /// Seconds to wait for a server that sends nothing, 1 to 3600
    #[arg(long, value_name = "N", default_value_t = 30, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(1..=3600))]
    timeout: u64,

    /// Do not show progress
    #[arg(short, long)]
    quiet: bool,
}

/// Parses the name of a data set that can be downloaded.
fn published() -> impl TypedValueParser<Value = DatasetKind> {
    let kinds = DatasetKind::value_variants().iter().filter(|&&kind| PublishedSet::of(kind).is_some());
    PossibleValuesParser::new(kinds.filter_map(ValueEnum::to_possible_value))
        .map(|name| DatasetKind::from_str(&name, false).expect("the name of a data set"))
}

const AFTER_LIST_HELP: &str = "\
Examples:
  lenet-gpu data list
          List the data sets
  lenet-gpu data list --json | jq -r '.[] | select(.placed).folder'
          Print the folders of the downloaded ones

To train on your own images: `lenet-gpu train --dataset folder --data-dir DIR`.";

/// List the data sets that can be downloaded
#[derive(Debug, Args)]
#[command(after_help = AFTER_LIST_HELP)]
struct ListArgs {
    /// Print one JSON array on stdout instead of a table
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DataArgs, output: &mut Output) -> Result<Ending, Failure> {
    match &args.command {
        Command::Fetch(args) => fetch(args, output),
        Command::List(args) => list(args, output),
    }
}

/// Returns the folder of a downloaded data set. `option` is the option that gives another folder.
pub fn fetched(kind: DatasetKind, option: &str) -> Result<PathBuf, Failure> {
    let set = PublishedSet::of(kind).ok_or_else(|| {
        Failure::Input(anyhow!("--dataset {kind} requires {option}, the folder of its files"))
    })?;
    download::downloaded(kind).ok_or_else(|| {
        let length = decimal_bytes(set.length());
        Failure::Input(anyhow!(
            "{kind} is not on this machine; download it ({length}) with `lenet-gpu data fetch {kind}`, or give its \
             folder with {option}"
        ))
    })
}

fn fetch(args: &FetchArgs, output: &mut Output) -> Result<Ending, Failure> {
    if args.set == DatasetKind::Mnist && args.to.is_none() && args.from.is_none() {
        output.line(
            "mnist is built in, so there is nothing to download; --to DIR downloads its files all the same",
        )?;
        return Ok(Ending::Done);
    }
    let set = PublishedSet::of(args.set).expect("the parser accepts only data sets that can be downloaded");
    let folder = args.to.clone().or_else(|| download::folder(args.set)).ok_or_else(|| {
        Failure::Input(anyhow!(
            "the system's cache folder is unknown; choose a folder with --to, or set {}",
            cache::VARIABLE
        ))
    })?;
    let interrupt = Interrupt::listen(|| RESUMES.to_owned())?;
    let mut progress = Progress::new(args.quiet);
    let patience = Duration::from_secs(args.timeout);
    let fetched = download::fetch(&set, args.from.as_ref(), &folder, patience, &mut |event| {
        progress.show(event);
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    let already = match fetched {
        Ok(FetchOutcome::Downloaded) => "",
        Ok(FetchOutcome::AlreadyPresent) => " already",
        Err(FetchError::Interrupted) => {
            notice::note(format_args!("interrupted; {RESUMES}"));
            return Ok(Ending::Interrupted);
        }
        Err(error @ (FetchError::NoName { .. } | FetchError::Occupied { .. })) => {
            return Err(Failure::input(error));
        }
        Err(error @ FetchError::AllServersFailed { .. }) => {
            let hint = Some(by_hand(&set, args, &folder));
            return Err(Failure::work(HintedError { message: one_line(&error), hint }));
        }
        Err(error) => return Err(Failure::work(error)),
    };
    let line = format!("{} is in {}{already}", args.set, folder.display());
    output.line(&line)?;
    Ok(Ending::Done)
}

/// What follows from an interruption.
const RESUMES: &str = "run the same command again to resume";

/// How to do without this download.
fn by_hand(set: &PublishedSet, args: &FetchArgs, folder: &Path) -> String {
    let names: Vec<_> = set.files.iter().map(|file| file.name.as_str()).collect();
    let home = set.homes.first().map_or("", String::as_str);
    let (names, them) = (names.join(", "), if names.len() == 1 { "it" } else { "them" });
    let place = match &args.to {
        Some(_) => format!("a folder for --data-dir, such as {}", folder.display()),
        None => format!("{}, or in any folder and use --data-dir", folder.display()),
    };
    format!(
        "on a machine with a network, download {names} from {home} or another server, and put {them} in {place}"
    )
}

/// The progress of a download on stderr: a line per file, on a terminal with a bar below, or only warnings.
struct Progress {
    is_quiet: bool,
    transfer: Arc<Mutex<Transfer>>,
    _display: Option<Display>,
    /// Warnings of servers that failed. They are shown once another server sends something: if none does, the error
    /// has them all.
    failed: Vec<String>,
}

/// What the bar shows.
struct Transfer {
    what: String,
    /// The bytes of the file, those present when its download began, and those present now.
    length: u64,
    from: u64,
    bytes: u64,
    begun: Instant,
}

impl Progress {
    fn new(is_quiet: bool) -> Self {
        let begun = Instant::now();
        let transfer =
            Arc::new(Mutex::new(Transfer { what: String::new(), length: 0, from: 0, bytes: 0, begun }));
        let drawn = Arc::clone(&transfer);
        let rows = move |size: terminal::Size| {
            drawn.lock().unwrap_or_else(PoisonError::into_inner).row(size.columns).into_iter().collect()
        };
        let is_shown = !is_quiet && terminal::can_overwrite();
        let display = is_shown.then(|| Display::start(Duration::ZERO, rows));
        Self { is_quiet, transfer, _display: display, failed: Vec::new() }
    }

    fn show(&mut self, event: Event) {
        // Notices wait for the thread that draws, which waits for this.
        let mut transfer = self.transfer.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Requesting { file, url, from } => {
                let (what, length) = (file.name.clone(), file.length);
                *transfer = Transfer { what, length, from, bytes: from, begun: Instant::now() };
                drop(transfer);
                if !self.is_quiet {
                    let rest = decimal_bytes(length - from.min(length));
                    notice::note(format_args!("fetching {url} ({rest})"));
                }
            }
            Event::Received { bytes } => {
                transfer.bytes = bytes;
                drop(transfer);
                self.failed.drain(..).for_each(notice::warning);
            }
            Event::ServerFailed { url, error } => self.failed.push(format!("{url}: {error}")),
            Event::Unpacking { file } => {
                (transfer.what, transfer.length) = (format!("unpacking {}", file.name), 0);
            }
        }
    }
}

impl Transfer {
    /// The bar; nothing before the first file. Bytes of an earlier download do not count for the speed.
    fn row(&self, columns: usize) -> Option<Row> {
        if self.what.is_empty() {
            return None;
        }
        if self.length == 0 {
            return Some(progress::line(&self.what, "", columns));
        }
        let speed = self.bytes.saturating_sub(self.from) as f64 / self.begun.elapsed().as_secs_f64();
        let left = self.length.saturating_sub(self.bytes) as f64 / speed;
        let percent = (100.0 * self.bytes as f64 / self.length as f64).floor();
        let details = match speed {
            0.0 => format!("{percent:3} %"),
            _ => {
                format!("{}/s, {percent:3} %, {} left", decimal_bytes(speed as u64), progress::duration(left))
            }
        };
        Some(progress::bar(&self.what, self.bytes as f64 / self.length as f64, &details, columns))
    }
}

/// "170.5 MB".
fn decimal_bytes(bytes: u64) -> String {
    match bytes as f64 {
        few @ ..1e3 => format!("{few} B"),
        some @ ..1e6 => format!("{:.1} kB", some / 1e3),
        many @ ..1e9 => format!("{:.1} MB", many / 1e6),
        most => format!("{:.2} GB", most / 1e9),
    }
}

fn list(args: &ListArgs, output: &mut Output) -> Result<Ending, Failure> {
    let sets = DatasetKind::value_variants().iter().copied().filter_map(PublishedSet::of);
    let written = if args.json {
        output.json(&sets.map(|set| to_json(&set)).collect::<serde_json::Value>().to_string())
    } else {
        output.lines(sets.flat_map(|set| to_lines(&set)))
    };
    written?;
    Ok(Ending::Done)
}

fn to_json(set: &PublishedSet) -> serde_json::Value {
    json!({
        "name": set.kind.name(),
        "bytes": set.length(),
        "licence": set.licence,
        "homes": set.homes,
        "folder": download::folder(set.kind),
        "placed": download::downloaded(set.kind).is_some(),
    })
}

fn to_lines(set: &PublishedSet) -> [String; 2] {
    let kind = set.kind;
    let status = match (download::downloaded(kind), kind) {
        (_, DatasetKind::Mnist) => "built in".to_owned(),
        (Some(folder), _) => format!("in {}", folder.display()),
        (None, _) => format!("not downloaded: lenet-gpu data fetch {kind}"),
    };
    let length = decimal_bytes(set.length());
    [format!("{:<14} {length:>10}  {status}", kind.name()), format!("{:27}licence: {}", "", set.licence)]
}
