//! The command line. Each subcommand has three stages: what was typed (a clap struct), what it means (validated and
//! built), and the work.
//!
//! Only results go to stdout; progress, notes, warnings and errors go to stderr. Exit codes: 0 success, 1 the work
//! failed, 2 wrong usage or input, 130 interrupted.

mod allocator;
mod bench;
mod choices;
mod color;
mod completions;
mod data;
mod data_args;
mod devices;
mod doctor;
mod engine;
mod engine_config;
mod evaluate;
mod export;
mod failure;
mod fit;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hints;
mod interrupt;
mod job;
mod kernel_args;
mod man;
mod memory_args;
mod model_arg;
mod notice;
mod output;
mod paper;
mod patterns;
mod predict;
mod preprocessing_args;
mod presets;
mod progress;
mod recipe;
mod repeated;
mod report;
mod resume_command;
mod runs;
mod serve;
mod summary;
mod sweep;
mod terminal;
mod threads;
mod train;
mod tta_args;
mod tune;
mod usage;
mod values;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

use crate::version::VERSION_WITH_COMMIT;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;
use output::{Input, Output, OutputFile, StdoutError};

pub use allocator::Allocator;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu train                     train on MNIST (built in), on the best GPU
  lenet-gpu evaluate runs/mnist-20261122-174530
                                      evaluate the model of a run
  lenet-gpu runs --sort accuracy      list all runs, the best first
  lenet-gpu predict --model runs/mnist-20261122-174530 seven.jpg
  lenet-gpu serve                     draw a digit in the browser and watch the network read it
  lenet-gpu export model.safetensors -o lenet.onnx
  lenet-gpu data fetch cifar10        download another data set, for train --dataset cifar10
  lenet-gpu summary                   show the layers of the network
  lenet-gpu devices                   list the devices to train on
  lenet-gpu doctor                    examine this machine, its drivers and its device
  lenet-gpu verify                    check every kernel on your GPU
  lenet-gpu bench --backend vulkan,cpu

Exit codes: 0 success; 1 failure; 2 wrong usage or input; 130 interrupted.";

/// LeNet-5 image classifiers trained entirely on the GPU
// The last occurrence of an option counts, so that typed options override those of recipes, which come before them.
// `repeated` rejects different values of an option among the typed ones.
#[derive(Debug, Parser)]
#[command(args_override_self = true, version = VERSION_WITH_COMMIT, after_help = AFTER_HELP, styles = color::STYLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Show the hash of the weights after each epoch, and wgpu's log; -vv shows why a driver was not loaded
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    verbose: u8,

    /// Show only warnings, errors and the result
    // Commands that show more have a field of this name.
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,

    /// Where to use colours: `auto` (on a terminal, by NO_COLOR and CLICOLOR_FORCE), `always` (in files and pipes as well) or
    /// `never`
    // `color::apply` finds it before clap prints help or an error.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    #[arg(help_heading = "Output")]
    color: color::Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::TrainArgs>),
    Sweep(Box<sweep::SweepArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Report(Box<report::ReportArgs>),
    Predict(predict::PredictArgs),
    Serve(serve::ServeArgs),
    Export(export::ExportArgs),
    Summary(summary::SummaryArgs),
    Data(data::DataArgs),
    Presets(presets::PresetsArgs),
    Runs(runs::RunsArgs),
    Paper(paper::PaperArgs),
    Devices(devices::DevicesArgs),
    Doctor(doctor::DoctorArgs),
    Verify(verify::VerifyArgs),
    Tune(tune::TuneArgs),
    Bench(bench::BenchArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Whether the command needs more than one thread.
    fn computes(&self) -> bool {
        use Command::{Completions, Data, Devices, Export, Man, Presets, Runs, Summary};
        !matches!(
            self,
            Export(_) | Summary(_) | Data(_) | Presets(_) | Runs(_) | Devices(_) | Completions(_) | Man(_)
        )
    }
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    Interrupted,
}

/// Runs the program on the arguments of this process.
pub fn main() -> ExitCode {
    ExitCode::from(run_with(std::env::args_os().collect()))
}

/// Runs the program on these arguments, of which the first is its name, and returns the exit code. May be called once
/// per process.
pub fn run_with(arguments: Vec<OsString>) -> u8 {
    let started = Instant::now();
    interrupt::survive_file_size_limit();
    color::apply(&arguments);
    let mut job = job::Job::of_environment();
    match run(arguments, started, &mut job) {
        Ok(Ending::Done) => 0,
        Ok(Ending::Interrupted) => interrupt::EXIT_CODE,
        Err(failure) => job.fail(&failure),
    }
}

fn run(arguments: Vec<OsString>, started: Instant, job: &mut job::Job) -> Result<Ending, Failure> {
    let (matches, cli) = parse(arguments, usage::failure)?;
    show_log(cli.verbose);
    if cli.quiet {
        progress::disable();
    }
    let takes_ranks = matches!(cli.command, Command::Train(_) | Command::Sweep(_));
    job.connect(matches.subcommand_name().unwrap_or_default(), takes_ranks)?;
    if cli.command.computes() {
        threads::start()?;
    }

    let mut output = Output::default();
    match cli.command {
        Command::Train(args) => train::run(&args, recipe::options(&matches), started, &mut output),
        Command::Sweep(args) => sweep::run(&args, started, &mut output),
        Command::Evaluate(args) => evaluate::run(&args, &mut output),
        Command::Report(args) => report::run(&args, &mut output),
        Command::Predict(args) => predict::run(&args, &mut output),
        Command::Serve(args) => serve::run(args, &mut output),
        Command::Export(args) => export::run(&args, &mut output),
        Command::Summary(args) => summary::run(&args, &mut output),
        Command::Data(args) => data::run(&args, &mut output),
        Command::Paper(args) => paper::run(&args, &mut output),
        Command::Presets(args) => presets::run(&args, &mut output),
        Command::Runs(args) => runs::run(&args, &mut output),
        Command::Devices(args) => devices::run(&args, &mut output),
        Command::Doctor(args) => doctor::run(&args, &mut output),
        Command::Verify(args) => verify::run(&args, &mut output),
        Command::Tune(args) => tune::run(&args, &mut output),
        Command::Bench(args) => bench::run(&args, &mut output),
        Command::Completions(args) => completions::run(&args, &mut output),
        Command::Man(args) => man::run(&args, &mut output),
    }
}

/// Parses a command line, with the options of the recipes that it names.
fn parse(typed: Vec<OsString>, rejected: usage::Rejected) -> Result<(ArgMatches, Cli), Failure> {
    let matches = repeated::parse(&typed, rejected)?;
    let arguments = recipe::expand(typed, &matches)?;
    let parsed = Cli::command().try_get_matches_from(&arguments).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((matches, cli))
    });
    parsed.map_err(|error| rejected(&error, &arguments))
}

/// Installs the logger. This library's warnings and its notes on data sets are always shown; without `-v`, other crates'
/// logs are limited to errors, because drivers log a lot that does not concern users.
fn show_log(verbose: u8) {
    /// The library's modules that note what they found in the user's files.
    const DATA: &str = concat!(env!("CARGO_CRATE_NAME"), "::data");

    let mut log = env_logger::Builder::new();
    log.format(|_, record| {
        let (level, target) = (record.level(), record.target());
        if level == log::Level::Warn && target.starts_with(env!("CARGO_CRATE_NAME")) {
            notice::warning(record.args());
        } else if level == log::Level::Info && target.starts_with(DATA) {
            notice::note(record.args());
        } else {
            notice::log(record);
        }
        Ok(())
    });
    match verbose {
        0 => log
            .filter_level(log::LevelFilter::Error)
            .filter_module(env!("CARGO_CRATE_NAME"), log::LevelFilter::Warn)
            .filter_module(DATA, log::LevelFilter::Info)
            // Whether GL has a driver is only known after trying to open one; `devices` shows the result.
            .filter_module("wgpu_hal::gles::egl", log::LevelFilter::Off)
            .parse_default_env(),
        1 => log.filter_level(log::LevelFilter::Info),
        2 => log.filter_level(log::LevelFilter::Debug),
        _ => log.filter_level(log::LevelFilter::Trace),
    };
    log.init();
}
