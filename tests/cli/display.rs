//! What is seen on terminals of several widths and abilities, through a pseudo-terminal.
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tempfile::tempdir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lenet-gpu");

/// A pseudo-terminal: the end that the test reads, and the end that is the program's.
fn open_terminal(columns: u16) -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let mut size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call only writes the two descriptors, and reads the size; null selects the defaults.
    let opened = unsafe {
        libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null_mut(), &raw mut size)
    };
    assert_eq!(opened, 0, "no pseudo-terminal: {}", std::io::Error::last_os_error());
    // SAFETY: both descriptors were opened by this call and have no other owner.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("TERM", "xterm").env_remove("NO_COLOR").env_remove("RUST_LOG");
    command
}

/// Starts a command whose stdout and stderr are a terminal. What it writes is received piece by piece.
fn start(command: &mut Command, columns: u16) -> (Child, Receiver<String>) {
    let (mut ours, theirs) = open_terminal(columns);
    let child =
        command.stdout(Stdio::from(theirs.try_clone().unwrap())).stderr(Stdio::from(theirs)).spawn().unwrap();
    // The command holds the terminal's other end as long as it exists.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (pieces, received) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // Linux reports an error once the program has closed its end.
        while let Ok(length @ 1..) = ours.read(&mut bytes) {
            if pieces.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                break;
            }
        }
    });
    (child, received)
}

/// Runs a command on a terminal of so many columns. Returns its exit code and all that it wrote.
fn run(command: &mut Command, columns: u16) -> (i32, String) {
    let (mut child, received) = start(command.stdin(Stdio::null()), columns);
    let written = received.iter().collect();
    (child.wait().unwrap().code().unwrap(), written)
}

/// What a terminal shows at the end. Handles what bars need: the start of the line, one line up, and clearing a line.
fn screen(written: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                let sequence: String =
                    letters.by_ref().skip(1).take_while(|letter| !letter.is_alphabetic()).collect();
                // The letter that ends the sequence is consumed as well: K after 2, A after the number of lines.
                match sequence.as_str() {
                    "2" => lines[row].clear(),
                    number => row -= number.parse::<usize>().unwrap_or(1).min(row),
                }
            }
            letter => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line: &mut Vec<char> = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = letter;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

/// The states of a bar, in the order in which they were drawn.
fn bars(written: &str) -> Vec<String> {
    let without_control = written.replace("\u{1b}[2K", "\r").replace("\u{1b}[1A", "\r");
    let drawn = without_control.split(['\r', '\n']).map(|line| line.trim_end().to_owned());
    drawn.filter(|line| line.contains(" %") && line.contains('[')).collect()
}

fn train(run: &Path) -> Command {
    let mut command = program(&["train", "--backend", "cpu", "--limit-train", "700", "--limit-test", "64"]);
    command.args(["--validation-split", "0.1", "--epochs", "10", "--run-dir"]).arg(run);
    command
}

#[test]
fn every_epoch_has_a_line_on_every_terminal() {
    let folder = tempdir().unwrap();
    for (index, term) in [None, Some("dumb"), Some(""), Some("xterm")].into_iter().enumerate() {
        let mut command = train(&folder.path().join(index.to_string()));
        match term {
            None => command.env_remove("TERM"),
            Some(term) => command.env("TERM", term),
        };
        let (code, written) = run(&mut command, 80);
        assert_eq!(code, 0, "{term:?}: {written}");
        let shown = screen(&written, 80);
        let epochs: Vec<_> = shown.iter().filter(|line| line.starts_with("epoch ")).collect();
        assert_eq!(epochs.len(), 10, "{term:?}: {shown:#?}");
        for (number, line) in (1..).zip(epochs) {
            assert!(line.starts_with(&format!("epoch {number:>2}/10  train ")), "{term:?}: {line}");
            assert!(line.contains("  val ") && line.contains("  test "), "{term:?}: {line}");
            assert!(!line.contains('['), "a bar was left: {line}");
        }
        assert_eq!(written.contains('\u{1b}'), term == Some("xterm"), "{term:?}: {written:?}");
    }
}

#[test]
fn the_bar_of_a_run_fits_the_terminal() {
    let folder = tempdir().unwrap();
    for columns in [40, 80, 120] {
        let (code, written) = run(&mut train(&folder.path().join(columns.to_string())), columns);
        assert_eq!(code, 0, "{written}");
        let bars = bars(&written);
        assert!(bars.iter().any(|bar| bar.contains("=>")), "{columns} columns: {written:?}");
        let widest = bars.iter().max_by_key(|bar| bar.chars().count()).unwrap();
        assert!(widest.chars().count() <= columns.into(), "{columns} columns: {widest}");
    }
}

#[test]
fn with_v_the_line_of_an_epoch_has_the_hash_of_the_weights() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let (_, written) = run(train(&run_dir).arg("-v"), 200);
    let metrics = std::fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert!(written.contains(&format!("weights {}", record["weights_hash"].as_str().unwrap())), "{written}");
}

/// The program uses colours in help alone.
#[test]
fn no_color_is_honoured() {
    let folder = tempdir().unwrap();
    let has_colours = |written: &str| {
        written.split("\u{1b}[").skip(1).any(|rest| {
            rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';').starts_with('m')
        })
    };
    assert!(has_colours(&run(&mut program(&["train", "--help"]), 80).1), "help has no colours to turn off");
    for command in [
        &mut program(&["train", "--help"]),
        &mut program(&["train", "--epochs", "none"]),
        &mut program(&["data", "list"]),
        &mut train(&folder.path().join("run")),
    ] {
        let (_, written) = run(command.env("NO_COLOR", "1"), 80);
        assert!(!has_colours(&written), "{command:?}: {written:?}");
    }
}

#[test]
fn tables_fit_the_terminal() {
    let by_count = ["bench", "--by-count", "--images", "64", "--profile-batch", "64", "--batch", "64"];
    for (arguments, columns) in [(&["devices"][..], 80), (&["devices"], 60), (&by_count, 80), (&by_count, 40)]
    {
        let (code, written) = run(&mut program(arguments), columns);
        assert_eq!(code, 0, "{written}");
        for line in written.lines() {
            assert!(
                line.trim_end().chars().count() <= columns.into(),
                "{arguments:?}, {columns} columns: {line}"
            );
        }
    }
}

/// Reading from stdin takes as long as the test wants.
#[test]
fn long_work_shows_its_progress_and_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let (model, image) = (folder.path().join("model.safetensors"), folder.path().join("image.png"));
    super::environment::write_model(&model);
    image::GrayImage::new(28, 28).save(&image).unwrap();
    let predict = |more: &[&str]| {
        let mut command = program(&["predict", "--backend", "cpu", "--preprocess", "none", "-", "--model"]);
        command.arg(&model).args(more).stdin(Stdio::piped());
        command
    };
    let (mut child, received) = start(&mut predict(&[]), 80);
    let mut written = String::new();
    while !written.contains("classifying [") {
        written += &received.recv().unwrap_or_else(|_| panic!("no progress was shown: {written:?}"));
    }
    child.stdin.take().unwrap().write_all(&std::fs::read(image).unwrap()).unwrap();
    written.extend(received.iter());
    assert!(child.wait().unwrap().success(), "{written}");
    let shown = screen(&written, 80);
    assert!(shown.iter().any(|line| line.starts_with("stdin  ")), "{shown:#?}");
    assert!(!shown.iter().any(|line| line.starts_with("classifying [")), "{shown:#?}");
}

#[test]
fn a_download_names_its_files_on_a_terminal() {
    let cache = tempdir().unwrap();
    let mut fetch = program(&["data", "fetch", "cifar10", "--from", "http://127.0.0.1:1/"]);
    let (code, written) = run(fetch.env("LENET_GPU_CACHE", cache.path()), 80);
    let shown = screen(&written, 80);
    assert_eq!(code, 1, "{shown:#?}");
    assert!(shown[0].starts_with("fetching http://127.0.0.1:1/cifar-10-binary.tar.gz"), "{shown:#?}");
}

#[test]
fn a_list_of_runs_never_wraps() {
    let scene = crate::runs::scene();
    for columns in [30, 40, 60, 80, 100, 140] {
        let (code, written) = run(program(&["runs"]).current_dir(scene.path()), columns);
        assert_eq!(code, 0, "{written}");
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 6, "{written}");
        assert!(lines.iter().all(|line| line.chars().count() <= columns.into()), "{columns}: {written}");
    }
}
