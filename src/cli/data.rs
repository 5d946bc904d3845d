//! `lenet-gpu data`: the data sets that have a name, and their way to this machine.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache;
use crate::data::DatasetKind;
use crate::data::download::{self, Event, FetchError, Fetched, Origin, PublishedFile, PublishedSet};
use anyhow::{Context, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use super::interrupt::Interrupt;
use super::{Ending, Failure, Output, notice};

/// Download data sets, and see which are here
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
          170 MB into the cache; `lenet-gpu train --dataset cifar10` finds it there
  lenet-gpu data fetch fashion-mnist --to ~/fashion
          into a folder of your own, for --data-dir
  lenet-gpu data fetch cifar10 --from https://example.org/sets/
          from another server, which holds cifar-10-binary.tar.gz; its hash is checked all the same

The cache is LENET_GPU_CACHE where that is set, else the system's folder for caches. A download that
broke off, or that Ctrl-C ended, goes on from there when the command is given again; a second Ctrl-C
ends at once. Proxies are taken from HTTPS_PROXY and the like.";

/// Download a data set from its public homes, checked by SHA-256
#[derive(Debug, Args)]
#[command(after_help = AFTER_FETCH_HELP)]
struct FetchArgs {
    /// Which one
    #[arg(value_name = "SET", value_parser = published())]
    set: DatasetKind,

    /// Ask this server alone: the URL of a folder that holds the set's files under their official names,
    /// or, for cifar10, of its archive [default: the set's homes in turn]
    #[arg(long, value_name = "URL")]
    from: Option<Origin>,

    /// Place it in this folder, new or empty [default: in the cache]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// Give a server up that sends nothing for so long, in seconds, 1 to 3600
    #[arg(long, value_name = "N", default_value_t = 30, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    /// Show no progress; warnings, errors and the result remain
    #[arg(short, long)]
    quiet: bool,
}

/// The kinds that can be downloaded.
fn published() -> impl TypedValueParser<Value = DatasetKind> {
    let kinds = DatasetKind::value_variants().iter().filter(|&&kind| PublishedSet::of(kind).is_some());
    PossibleValuesParser::new(kinds.filter_map(ValueEnum::to_possible_value))
        .map(|typed| DatasetKind::from_str(&typed, false).expect("it is the name of a kind"))
}

const AFTER_LIST_HELP: &str = "\
Examples:
  lenet-gpu data list
          a line a set
  lenet-gpu data list --json | jq -r '.[] | select(.placed).folder'
          the folders of those that are here

Your own images need no download: `train --dataset folder --data-dir DIR`.";

/// List the data sets that can be downloaded, and which are here
#[derive(Debug, Args)]
#[command(after_help = AFTER_LIST_HELP)]
struct ListArgs {
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DataArgs, output: &mut Output) -> Result<Ending, Failure> {
    match &args.command {
        Command::Fetch(args) => fetch(args, output),
        Command::List(args) => list(args, output),
    }
}

/// The folder of a set that was fetched; `option` is the one that names another place.
pub fn fetched(kind: DatasetKind, option: &str) -> Result<PathBuf, Failure> {
    let set = PublishedSet::of(kind).ok_or_else(|| {
        Failure::Input(anyhow!("--dataset {kind} is of your own images, and {option} names where they lie"))
    })?;
    download::placed(kind).ok_or_else(|| {
        let length = DecimalBytes(set.length());
        Failure::Input(anyhow!(
            "{kind} is not on this machine: `lenet-gpu data fetch {kind}` downloads it ({length}); or {option} \
             names its folder"
        ))
    })
}

fn fetch(args: &FetchArgs, output: &mut Output) -> Result<Ending, Failure> {
    let set = PublishedSet::of(args.set).expect("only kinds that are published can be typed");
    let folder = args.to.clone().or_else(|| download::folder(args.set)).ok_or_else(|| {
        Failure::Input(anyhow!(
            "this system tells of no folder for caches; name one with --to, or set {}",
            cache::VARIABLE
        ))
    })?;
    let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C").map_err(Failure::Work)?;
    let progress = if args.quiet { Progress::Silent } else { Progress::new() };
    let patience = Duration::from_secs(args.timeout);
    let fetched = download::fetch(&set, args.from.as_ref(), &folder, patience, &mut |event| {
        progress.show(event);
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.end();
    let already = match fetched {
        Ok(Fetched::Now) => "",
        Ok(Fetched::Before) => " already",
        Err(FetchError::Interrupted) => {
            notice::note("interrupted; the same command goes on from what came so far");
            return Ok(Ending::Interrupted);
        }
        Err(error @ (FetchError::NoName { .. } | FetchError::Occupied { .. })) => {
            return Err(Failure::input(error));
        }
        Err(error) => return Err(Failure::work(error)),
    };
    let line = format!("{} is in {}{already}", args.set, folder.display());
    output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

/// How a download shows itself on stderr: a bar on a terminal, a line a file elsewhere, or nothing.
enum Progress {
    Bar(ProgressBar),
    Lines,
    Silent,
}

impl Progress {
    fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let style = style("{msg} [{wide_bar}] {decimal_bytes_per_sec}, {percent:>3} %, {eta} left");
        Self::Bar(ProgressBar::no_length().with_style(style))
    }

    fn show(&self, event: Event) {
        match (event, self) {
            (Event::Asking { file, url, from }, Self::Lines) => {
                let rest = DecimalBytes(file.length - from.min(file.length));
                notice::note(format_args!("fetching {url} ({rest})"));
            }
            (Event::Asking { file, from, .. }, Self::Bar(bar)) => begin(bar, file, from),
            (Event::Received { bytes }, Self::Bar(bar)) => bar.set_position(bytes),
            (Event::Refused { url, refusal }, Self::Bar(bar)) => {
                bar.suspend(|| notice::warning(format_args!("{url}: {refusal}")));
            }
            (Event::Refused { url, refusal }, _) => notice::warning(format_args!("{url}: {refusal}")),
            (Event::Unpacking { file }, Self::Bar(bar)) => {
                bar.set_style(style("{msg}"));
                bar.set_message(format!("unpacking {}", file.name));
            }
            (Event::Received { .. } | Event::Unpacking { .. } | Event::Asking { .. }, _) => {}
        }
    }

    /// Takes the bar away, so that other lines can follow.
    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed").progress_chars("=> ")
}

/// What was here before is no speed.
fn begin(bar: &ProgressBar, file: &PublishedFile, from: u64) {
    bar.set_length(file.length);
    bar.set_message(file.name.clone());
    bar.set_position(from);
    bar.reset_eta();
}

fn list(args: &ListArgs, output: &mut Output) -> Result<Ending, Failure> {
    let sets = DatasetKind::value_variants().iter().copied().filter_map(PublishedSet::of);
    let text = if args.json {
        sets.map(|set| to_json(&set)).collect::<serde_json::Value>().to_string()
    } else {
        sets.map(|set| to_text(&set)).collect()
    };
    output.line(text.trim_end()).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

fn to_json(set: &PublishedSet) -> serde_json::Value {
    json!({
        "name": set.kind.name(),
        "bytes": set.length(),
        "licence": set.licence,
        "homes": set.homes,
        "folder": download::folder(set.kind),
        "placed": download::placed(set.kind).is_some(),
    })
}

fn to_text(set: &PublishedSet) -> String {
    let kind = set.kind;
    let place = match (download::placed(kind), kind) {
        (_, DatasetKind::Mnist) => "built in".to_owned(),
        (Some(folder), _) => format!("in {}", folder.display()),
        (None, _) => format!("not here: lenet-gpu data fetch {kind}"),
    };
    let length = DecimalBytes(set.length()).to_string();
    format!("{:<14} {length:>10}  {place}\n{:27}licence: {}\n", kind.name(), "", set.licence)
}
