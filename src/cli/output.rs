//! stdout. Its reader may close it early (`| head`), which is not an error: the rest of the output is dropped, and the
//! run continues because its files are still needed.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use anyhow::anyhow;

use super::{Failure, notice, progress};
use crate::escape::{escape, escape_json};
use crate::files::{check_output, is_same_output, is_stdout, is_written_through};
use crate::sweep::SweepFiles;
use crate::train::RunDirectory;

/// Results on stdout. Each method escapes what a terminal would act on, such as a class name with control characters.
#[derive(Debug, Default)]
pub struct Output {
    closed: bool,
    /// The option whose file is stdout; lines then go to stderr.
    taken_by: Option<&'static str>,
}

/// stdout could not be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to the standard output")]
pub struct StdoutError(#[source] pub io::Error);

impl From<StdoutError> for Failure {
    fn from(error: StdoutError) -> Self {
        Self::work(error)
    }
}

/// A file that an option names.
#[derive(Debug, Clone, Copy)]
pub struct OutputFile<'a> {
    /// The option's name.
    pub option: &'static str,
    pub path: &'a Path,
    /// Whether a terminal can show it without harm.
    pub is_text: bool,
}

/// What a command reads, which its outputs must not replace.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    File(&'a Path),
    /// A data set: a file, or a folder whose files may all be read, except results directly in it.
    Folder(&'a Path),
}

/// The extensions of results, which may be replaced beside the files and the class folders of a data set.
const RESULTS: [&str; 4] = ["png", "svg", "json", "md"];

impl Input<'_> {
    /// Whether writing `output`, a file that exists, would replace this input or a part of it. Both paths of the
    /// comparison are canonical.
    fn contains(self, output: &Path) -> bool {
        let canonical = |path: &Path| path.canonicalize().ok();
        match self {
            Self::File(file) => canonical(file).is_some_and(|file| file == output),
            Self::Folder(folder) => canonical(folder).is_some_and(|folder| {
                output == folder
                    || output
                        .strip_prefix(folder)
                        .is_ok_and(|inner| inner.components().count() > 1 || !is_result(inner))
            }),
        }
    }
}

fn is_result(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    RESULTS.iter().any(|result| extension.eq_ignore_ascii_case(result))
}

impl Output {
    /// Writes one line; line breaks in it are escaped.
    pub fn line(&mut self, text: &str) -> Result<(), StdoutError> {
        self.write(&escape(text))
    }

    /// Writes several lines.
    pub fn lines<T: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = T>) -> Result<(), StdoutError> {
        let lines: Vec<String> = lines.into_iter().map(|line| escape(line.as_ref()).into_owned()).collect();
        self.write(&lines.join("\n"))
    }

    /// Writes a text that has nothing to escape, such as a script.
    pub fn text(&mut self, text: &str) -> Result<(), StdoutError> {
        self.write(text.trim_end())
    }

    /// Writes one JSON value. Its strings keep their meaning.
    pub fn json(&mut self, json: &str) -> Result<(), StdoutError> {
        self.write(&escape_json(json))
    }

    /// Checks that a command can write its files without replacing what it reads, before it does any work. If one of
    /// them is stdout, the lines that are usually printed there go to stderr. `json` is whether the command prints JSON
    /// on stdout.
    pub fn reserve(&mut self, files: &[OutputFile], inputs: &[Input], json: bool) -> Result<(), Failure> {
        for (index, file) in files.iter().enumerate() {
            check_output(file.path).map_err(Failure::input)?;
            refuse_inputs(file, inputs)?;
            if !is_stdout(file.path) {
                let same = |other: &&OutputFile| is_same_output(other.path, file.path);
                if let Some(other) = files[..index].iter().find(same) {
                    let (path, options) = (file.path.display(), [other.option, file.option]);
                    return Err(Failure::Input(anyhow!("{} both write to {path}", options.join(" and "))));
                }
                continue;
            }
            if let Some(other) = self.taken_by.or(json.then_some("--json")) {
                return Err(Failure::Input(anyhow!("{other} and {} both write to stdout", file.option)));
            }
            if !file.is_text && io::stdout().is_terminal() {
                return Err(Failure::Input(anyhow!(
                    "{} {}: stdout is a terminal, which cannot show this file; redirect it",
                    file.option,
                    file.path.display()
                )));
            }
            self.taken_by = Some(file.option);
        }
        Ok(())
    }

    /// Writes text and a line break.
    fn write(&mut self, text: &str) -> Result<(), StdoutError> {
        if self.taken_by.is_some() {
            notice::escaped(text);
            return Ok(());
        }
        if self.closed {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match progress::above(|| writeln!(stdout, "{text}").and_then(|()| stdout.flush())) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            written => written.map_err(StdoutError),
        }
    }
}

/// Refuses an output that would replace an input.
fn refuse_inputs(file: &OutputFile, inputs: &[Input]) -> Result<(), Failure> {
    if is_written_through(file.path) {
        return Ok(());
    }
    // A file that does not exist yet replaces nothing.
    let Ok(output) = file.path.canonicalize() else { return Ok(()) };
    let what = match inputs.iter().find(|input| input.contains(&output)) {
        Some(Input::File(_)) => "is a file that the command reads".to_owned(),
        Some(Input::Folder(folder)) => format!("is a file in the data folder {}", folder.display()),
        None if RunDirectory::owns(&output) => "is a file of a run".to_owned(),
        None if SweepFiles::owns(&output) => "is a file of a sweep".to_owned(),
        None => return Ok(()),
    };
    let (option, path) = (file.option, file.path.display());
    Err(Failure::Input(anyhow!("{option} {path}: this {what}; choose another name")))
}
