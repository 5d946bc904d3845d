//! What is seen on terminals of several widths and abilities, through a pseudo-terminal.
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::tempdir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lenet-gpu");

/// A wait that is longer ends a test.
const PATIENCE: Duration = Duration::from_secs(60);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    // Among them are those that identify terminals which rewrap lines.
    for variable in
        ["NO_COLOR", "RUST_LOG", "TMUX", "VTE_VERSION", "TERM_PROGRAM", "LC_ALL", "LC_CTYPE", "LANG"]
    {
        command.env_remove(variable);
    }
    command.args(arguments).env("TERM", "xterm").stdin(Stdio::null());
    command
}

fn size(columns: u16, rows: u16) -> libc::winsize {
    libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn emulator(columns: u16, rows: u16) -> vt100::Parser {
    vt100::Parser::new(NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap(), 0)
}

/// A command whose stdout and stderr are a terminal.
struct Terminal {
    child: Child,
    /// The end of the pseudo-terminal that is not the command's.
    end: File,
    received: Receiver<Vec<u8>>,
    /// All that was written, and what a terminal shows of it.
    written: String,
    screen: vt100::Parser,
}

impl Terminal {
    fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let (mut ours, mut theirs) = (0, 0);
        let mut size = size(columns, rows);
        // SAFETY: the call only writes the two descriptors, and reads the size; null selects the defaults.
        let opened = unsafe {
            libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null_mut(), &raw mut size)
        };
        assert_eq!(opened, 0, "no pseudo-terminal: {}", std::io::Error::last_os_error());
        // SAFETY: both descriptors were opened by this call and have no other owner.
        let (end, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let child = command
            .stdout(Stdio::from(theirs.try_clone().unwrap()))
            .stderr(Stdio::from(theirs))
            .spawn()
            .unwrap();
        // The command keeps the other end of the terminal open until it is dropped.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (pieces, received) = channel();
        let mut reader = end.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Linux reports an error once the program has closed its end.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                if pieces.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let screen = emulator(columns, rows);
        Self { child, end, received, written: String::new(), screen }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.written += &String::from_utf8_lossy(bytes);
        self.screen.process(bytes);
    }

    /// Waits until the screen is as wanted, at the end of a frame or of a line.
    #[track_caller]
    fn wait_for(&mut self, is_wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        loop {
            let lines = self.lines();
            if self.written.ends_with(['J', '\n']) && is_wanted(&lines) {
                return lines;
            }
            match self.received.recv_timeout(PATIENCE) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("the screen is still {lines:#?}"),
            }
        }
    }

    /// The lines of the screen.
    fn lines(&self) -> Vec<String> {
        let columns = self.screen.screen().size().1;
        self.screen.screen().rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect()
    }

    /// Resizes the terminal while it shows the live view. The screen is never narrower than what the program draws.
    #[track_caller]
    fn resize(&mut self, columns: u16, rows: u16) {
        let set = |screen: &mut vt100::Parser| {
            screen.screen_mut().set_size(NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap());
        };
        let is_narrower = columns < self.screen.screen().size().1.get();
        if !is_narrower {
            set(&mut self.screen);
        }
        let size = size(columns, rows);
        // SAFETY: the descriptor is open, and the call only reads the size.
        assert_eq!(unsafe { libc::ioctl(self.end.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
        if is_narrower {
            self.wait_for(|lines| rule(lines) == usize::from(columns - 1));
            set(&mut self.screen);
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the child has not been waited for, so that its number is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for the end. Returns the exit code, and the lines of the screen.
    fn end(&mut self) -> (i32, Vec<String>) {
        while let Ok(bytes) = self.received.recv_timeout(PATIENCE) {
            self.take(&bytes);
        }
        let code = self.child.wait().unwrap().code().unwrap();
        assert!(!self.screen.screen().hide_cursor(), "the cursor is hidden");
        (code, self.lines())
    }
}

impl Drop for Terminal {
    /// A failed test leaves no process running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command on a terminal of so many columns. Returns its exit code, all that it wrote, and what is seen at the end.
fn run(command: &mut Command, columns: u16) -> (i32, String, Vec<String>) {
    let mut terminal = Terminal::start(command, columns, 100);
    let (code, lines) = terminal.end();
    (code, terminal.written.clone(), lines)
}

fn train(run: &Path, epochs: &str) -> Command {
    let mut command = program(&["train", "--backend", "cpu", "--limit-train", "700", "--limit-test", "64"]);
    command.args(["--validation-split", "0.1", "--epochs", epochs, "--run-dir"]).arg(run);
    command
}

/// The epochs of a run that only ends when it is interrupted.
const ENDLESS: &str = "9999";

/// Whether a text has sequences that select colours.
fn has_colors(written: &str) -> bool {
    written.split("\u{1b}[").skip(1).any(|rest| {
        rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';').starts_with('m')
    })
}

/// The lines of the screen that are the live view's, of which the first is a rule with the device.
fn view(lines: &[String]) -> &[String] {
    let first = lines.iter().position(|line| line.starts_with("── ")).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(0);
    &lines[first..(last + 1).max(first)]
}

/// The length of the rule above the live view.
fn rule(lines: &[String]) -> usize {
    view(lines).first().map_or(0, |line| line.chars().count())
}

#[track_caller]
fn assert_no_view(lines: &[String]) {
    for line in lines {
        assert!(!line.contains(['─', '│', '┤', '━', '⠒']), "a part of the view was left: {lines:#?}");
    }
}

#[test]
fn every_epoch_has_a_line_on_every_terminal() {
    let folder = tempdir().unwrap();
    for (index, term) in [None, Some("dumb"), Some(""), Some("xterm")].into_iter().enumerate() {
        let mut command = train(&folder.path().join(index.to_string()), "60");
        match term {
            None => command.env_remove("TERM"),
            Some(term) => command.env("TERM", term),
        };
        let (code, written, shown) = run(&mut command, 80);
        assert_eq!(code, 0, "{term:?}: {written}");
        let epochs: Vec<_> = shown.iter().filter(|line| line.starts_with("epoch ")).collect();
        assert_eq!(epochs.len(), 60, "{term:?}: {shown:#?}");
        for (number, line) in (1..).zip(epochs) {
            assert!(line.starts_with(&format!("epoch {number:>2}/60  train ")), "{term:?}: {line}");
            assert!(line.contains("  val ") && line.contains("  test "), "{term:?}: {line}");
        }
        assert_no_view(&shown);
        assert_eq!(written.contains('\u{1b}'), term == Some("xterm"), "{term:?}: {written:?}");
    }
}

#[test]
fn the_live_view_fits_the_terminal_and_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    for (columns, rows, has_loss, has_accuracy) in [
        (80, 24, true, true),
        (40, 24, true, false),
        (120, 12, true, true),
        (80, 8, false, false),
        (20, 24, false, false),
    ] {
        let run_dir = folder.path().join(format!("{columns}-{rows}"));
        let mut terminal = Terminal::start(&mut train(&run_dir, ENDLESS), columns, rows);
        // The best accuracy of the validation images has no room in 20 columns.
        let is_complete = |line: &String| line.contains("× val") && line.contains(['b', '.']);
        let lines = terminal.wait_for(|lines| view(lines).iter().any(is_complete));
        let view = view(&lines);
        assert!((4..=10).contains(&view.len()) && view.len() + 2 < rows.into(), "{lines:#?}");
        let has = |text: &str| view.iter().any(|line| line.contains(text));
        assert_eq!((has("loss│"), has("accuracy│")), (has_loss, has_accuracy), "{lines:#?}");
        assert!(has("⠒ train") && has("× val") && has("CPU"), "{lines:#?}");
        assert_eq!(has("best "), columns > 20, "{lines:#?}");
        assert!(view.last().unwrap().contains(" 0 %"), "{lines:#?}");
        let above = &lines[lines.iter().position(|line| line.starts_with("── ")).unwrap() - 1];
        assert!(columns < 80 || above.starts_with("epoch "), "{lines:#?}");

        terminal.signal(libc::SIGINT);
        let (code, lines) = terminal.end();
        assert_eq!(code, 130, "{lines:#?}");
        assert_no_view(&lines);
        assert!(lines.iter().any(|line| line.starts_with("interrupted after")), "{lines:#?}");
    }
}

#[test]
fn the_live_view_follows_the_size_of_the_terminal() {
    let folder = tempdir().unwrap();
    let mut terminal = Terminal::start(&mut train(&folder.path().join("run"), ENDLESS), 80, 24);
    terminal.wait_for(|lines| view(lines).iter().any(|line| line.contains("accuracy│")));
    for (columns, rows, has_loss, has_accuracy) in [
        (40, 24, true, false),
        (100, 24, true, true),
        (100, 9, false, false),
        (100, 30, true, true),
        (80, 30, true, true),
    ] {
        terminal.resize(columns, rows);
        let count = |lines: &[String], text: &str| lines.iter().filter(|line| line.contains(text)).count();
        let lines = terminal.wait_for(|lines| {
            rule(lines) == usize::from(columns - 1)
                && count(lines, "loss│") == usize::from(has_loss)
                && count(lines, "accuracy│") == usize::from(has_accuracy)
                && count(lines, "⠒ train") == 1
        });
        assert!(view(&lines).len() <= 10, "{lines:#?}");
    }
    terminal.signal(libc::SIGTERM);
    let (code, lines) = terminal.end();
    assert_eq!(code, 130);
    assert_no_view(&lines);
}

#[test]
fn nothing_of_the_live_view_is_left_when_the_program_is_ended_at_once() {
    let folder = tempdir().unwrap();
    let mut terminal = Terminal::start(&mut train(&folder.path().join("run"), ENDLESS), 80, 24);
    terminal.wait_for(|lines| !view(lines).is_empty());
    terminal.signal(libc::SIGINT);
    terminal.signal(libc::SIGTERM);
    let (code, lines) = terminal.end();
    assert_eq!(code, 130);
    assert_no_view(&lines);
    let last = lines.iter().rfind(|line| !line.is_empty()).unwrap();
    assert!(!last.is_empty() && !last.starts_with("epoch"), "{lines:#?}");
}

#[test]
fn a_stopped_program_leaves_no_view_and_shows_it_again_when_it_continues() {
    let folder = tempdir().unwrap();
    let mut terminal = Terminal::start(&mut train(&folder.path().join("run"), ENDLESS), 80, 24);
    terminal.wait_for(|lines| !view(lines).is_empty());
    terminal.signal(libc::SIGTSTP);
    terminal.wait_for(|lines| view(lines).is_empty());
    let mut status = 0;
    // SAFETY: the call only writes the status of the child, which is still there.
    let waited = unsafe { libc::waitpid(terminal.child.id() as i32, &raw mut status, libc::WUNTRACED) };
    assert!(waited > 0 && libc::WIFSTOPPED(status), "{status}");
    while let Ok(bytes) = terminal.received.recv_timeout(Duration::from_millis(200)) {
        terminal.take(&bytes);
    }
    assert_no_view(&terminal.lines());
    // What the shell prints meanwhile stays.
    terminal.take(b"[1]+  Stopped\r\n$ fg\r\n");
    terminal.signal(libc::SIGCONT);
    let lines = terminal.wait_for(|lines| !view(lines).is_empty());
    assert!(lines.iter().any(|line| line == "$ fg"), "{lines:#?}");
    terminal.signal(libc::SIGINT);
    let (code, lines) = terminal.end();
    assert_eq!(code, 130);
    assert_no_view(&lines);
    assert!(lines.iter().any(|line| line == "[1]+  Stopped"), "{lines:#?}");
}

#[test]
fn the_progress_of_a_run_can_be_plain_or_off() {
    let folder = tempdir().unwrap();
    for (index, (arguments, lines)) in [
        (&["--progress", "plain"][..], 40),
        (&["--progress", "none"], 0),
        (&["--progress", "plain", "--json"], 40),
        (&["-q", "--progress", "plain"], 0),
    ]
    .into_iter()
    .enumerate()
    {
        let mut command = train(&folder.path().join(index.to_string()), "40");
        let (code, written, _) = run(command.args(arguments), 80);
        assert_eq!(code, 0, "{written}");
        assert!(!written.contains('\u{1b}'), "{arguments:?}: {written:?}");
        let epochs = written.lines().filter(|line| line.starts_with("epoch ")).count();
        assert_eq!(epochs, lines, "{arguments:?}: {written}");
    }
    let mut piped = train(&folder.path().join("piped"), "40");
    let output = piped.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().filter(|line| line.starts_with("epoch ")).count(), 40, "{stderr}");
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
}

#[test]
fn json_on_a_terminal_stays_above_the_live_view() {
    let folder = tempdir().unwrap();
    let (code, written, shown) = run(train(&folder.path().join("run"), "60").arg("--json"), 1000);
    assert_eq!(code, 0, "{written}");
    assert!(written.contains("loss│"), "there is no view");
    assert_no_view(&shown);
    let objects = shown.iter().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    assert_eq!(objects, 60, "{shown:#?}");
}

#[test]
fn with_v_the_line_of_an_epoch_has_the_hash_of_the_weights() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let (_, written, _) = run(train(&run_dir, "1").arg("-v"), 200);
    let metrics = std::fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert!(written.contains(&format!("weights {}", record["weights_hash"].as_str().unwrap())), "{written}");
}

#[test]
fn terminals_get_colours_unless_they_are_turned_off() {
    let folder = tempdir().unwrap();
    for (index, (environment, option, expected)) in [
        (None, None, true),
        (Some(("NO_COLOR", "1")), None, false),
        (Some(("CLICOLOR", "0")), None, false),
        (None, Some("never"), false),
        (Some(("NO_COLOR", "1")), Some("always"), true),
    ]
    .into_iter()
    .enumerate()
    {
        let live = &mut train(&folder.path().join(index.to_string()), "60");
        for command in [
            &mut program(&["train", "--help"]),
            &mut program(&["train", "--epochs", "none"]),
            &mut program(&["trian"]),
            live,
        ] {
            command.envs(environment).args(option.map(|when| format!("--color={when}")));
            let (_, written, _) = run(command, 80);
            assert_eq!(has_colors(&written), expected, "{command:?}: {written:?}");
        }
        let (_, written, _) = run(&mut program(&["data", "list"]), 80);
        assert!(!written.contains('\u{1b}'), "tables have none: {written:?}");
    }
}

#[test]
fn pipes_get_colours_only_on_request() {
    for (arguments, environment, expected) in [
        (&["train", "--epochs", "none"][..], None, false),
        (&["train", "--epochs", "none"], Some(("CLICOLOR_FORCE", "1")), true),
        (&["--color", "always", "train", "--epochs", "none"], None, true),
        (&["--color", "always", "train", "--preset", "nonsense"], None, true),
        (&["train", "--epochs", "none", "--color", "never"], Some(("CLICOLOR_FORCE", "1")), false),
    ] {
        let output = program(arguments).envs(environment).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert_eq!(has_colors(&stderr), expected, "{arguments:?}: {stderr:?}");
        let mut screen = emulator(200, 10);
        screen.process(stderr.replace('\n', "\r\n").as_bytes());
        assert!(screen.screen().contents().starts_with("error: "), "{stderr:?}");
    }
}

#[test]
fn tables_fit_the_terminal() {
    let by_count = ["bench", "--by-count", "--images", "64", "--profile-batch", "64", "--batch", "64"];
    for (arguments, columns) in [(&["devices"][..], 80), (&["devices"], 60), (&by_count, 80), (&by_count, 40)]
    {
        let (code, written, _) = run(&mut program(arguments), columns);
        assert_eq!(code, 0, "{written}");
        for line in written.lines() {
            assert!(
                line.trim_end().chars().count() <= columns.into(),
                "{arguments:?}, {columns} columns: {line}"
            );
        }
    }
}

/// Reading from stdin takes until the test writes to it.
#[test]
fn long_work_shows_its_progress_and_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let (model, image) = (folder.path().join("model.safetensors"), folder.path().join("image.png"));
    super::environment::write_model(&model);
    image::GrayImage::new(28, 28).save(&image).unwrap();
    let mut predict = program(&["predict", "--backend", "cpu", "--preprocess", "none", "-", "--model"]);
    let mut terminal = Terminal::start(predict.arg(&model).stdin(Stdio::piped()), 80, 24);
    let lines = terminal.wait_for(|lines| lines.iter().any(|line| line.starts_with("classifying [")));
    assert!(lines.iter().all(|line| line.chars().count() < 80), "{lines:#?}");
    terminal.child.stdin.take().unwrap().write_all(&std::fs::read(image).unwrap()).unwrap();
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown:#?}");
    assert!(shown.iter().any(|line| line.starts_with("stdin  ")), "{shown:#?}");
    assert!(!shown.iter().any(|line| line.starts_with("classifying [")), "{shown:#?}");
}

#[test]
fn a_download_names_its_files_on_a_terminal() {
    let cache = tempdir().unwrap();
    let mut fetch = program(&["data", "fetch", "cifar10", "--from", "http://127.0.0.1:1/"]);
    let (code, _, shown) = run(fetch.env("LENET_GPU_CACHE", cache.path()), 80);
    assert_eq!(code, 1, "{shown:#?}");
    assert!(shown[0].starts_with("fetching http://127.0.0.1:1/cifar-10-binary.tar.gz"), "{shown:#?}");
}

#[test]
fn a_list_of_runs_never_wraps() {
    let scene = crate::runs::scene();
    for columns in [30, 40, 60, 80, 100, 140] {
        let (code, written, _) = run(program(&["runs"]).current_dir(scene.path()), columns);
        assert_eq!(code, 0, "{written}");
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 6, "{written}");
        assert!(lines.iter().all(|line| line.chars().count() <= columns.into()), "{columns}: {written}");
    }
}
