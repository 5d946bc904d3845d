//! Runs the program in a child process whose file operations fail, or which dies, at a chosen operation.
//!
//! The child is this test program itself, so that the released program contains no way to switch faults on.
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

use lenet_gpu::files::faults::{Operation, observe};
use serde::{Deserialize, Serialize};

/// What happens at an operation. Operations are counted from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// Nothing; the operations are recorded.
    None,
    /// The operation fails.
    Once(usize),
    /// The operation fails, and all later ones on the same file.
    Always(usize),
    /// The process is killed before the operation.
    Kill(usize),
    /// The process is killed in the middle of the operation, which is a write.
    Torn(usize),
    /// The machine fails before the operation: contents and names that were not flushed are lost.
    PowerFailure(usize),
    /// Before the operation, something else removes this file or folder.
    Remove(usize, PathBuf),
    /// Before the operation, something else overwrites this file.
    Overwrite(usize, PathBuf),
    /// Before the operation, the user presses Ctrl-C. From then on, all operations on this file fail.
    Interrupt(usize, String),
}

/// The exit code of a killed child.
pub const KILLED: i32 = 99;

/// The text of the injected error.
pub const INJECTED: &str = "injected fault";

/// An operation of a finished child.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its kind, such as `Write`.
    pub kind: String,
    /// The file, without the directory. Temporary files have the name of the file that they become.
    pub file: String,
}

/// Runs the program with a fault in the operations on paths beneath `folder`. Returns its output and its operations.
pub fn run(folder: &Path, arguments: &[String], fault: &Fault) -> (Output, Vec<Recorded>) {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["injection::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(TRACE, trace.path())
        .env(FAULT, serde_json::to_string(fault).unwrap())
        .env(ARGUMENTS, serde_json::to_string(arguments).unwrap())
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let text = fs::read_to_string(trace.path()).unwrap();
    let recorded = text.lines().map(|line| {
        let (kind, file) = line.split_once(' ').unwrap();
        Recorded { kind: kind.to_owned(), file: file.to_owned() }
    });
    (output, recorded.collect())
}

const FOLDER: &str = "LENET_GPU_TEST_FOLDER";
const TRACE: &str = "LENET_GPU_TEST_TRACE";
const FAULT: &str = "LENET_GPU_TEST_FAULT";
const ARGUMENTS: &str = "LENET_GPU_TEST_ARGUMENTS";

#[test]
#[ignore = "the child process of other tests"]
fn child() {
    let variable = |name| env::var(name).unwrap_or_else(|_| panic!("other tests start this one with {name}"));
    let arguments: Vec<String> = serde_json::from_str(&variable(ARGUMENTS)).unwrap();
    let injector = Injector {
        fault: serde_json::from_str(&variable(FAULT)).unwrap(),
        count: 0,
        failing: None,
        trace: String::new(),
        trace_path: variable(TRACE).into(),
        disk: Disk::default(),
        previous: None,
    };
    let injector = std::sync::Mutex::new(injector);
    let _observation = observe(Path::new(&variable(FOLDER)), move |operation, path| {
        injector.lock().unwrap().before(operation, path)
    });
    let program = OsString::from("lenet-gpu");
    let arguments = std::iter::once(program).chain(arguments.into_iter().map(OsString::from)).collect();
    std::process::exit(lenet_gpu::cli::run_with(arguments).into());
}

struct Injector {
    fault: Fault,
    count: usize,
    /// The file whose operations all fail.
    failing: Option<String>,
    trace: String,
    trace_path: PathBuf,
    disk: Disk,
    previous: Option<(OwnedOperation, PathBuf)>,
}

impl Injector {
    fn before(&mut self, operation: &Operation, path: &Path) -> io::Result<()> {
        self.count += 1;
        let file = file_of(operation, path);
        self.trace += &format!("{} {file}\n", kind_of(operation));
        fs::write(&self.trace_path, &self.trace).unwrap();
        if let Some((operation, path)) = self.previous.take() {
            self.disk.after(operation, &path);
        }
        match &self.fault {
            Fault::Once(at) if self.count == *at => return Err(io::Error::other(INJECTED)),
            Fault::Always(at) if self.count == *at => self.failing = Some(file.clone()),
            Fault::Kill(at) if self.count == *at => std::process::exit(KILLED),
            Fault::Torn(at) if self.count == *at => {
                let Operation::Write(bytes) = operation else { panic!("{operation:?} is not a write") };
                let mut content = fs::read(path).unwrap();
                content.extend(&bytes[..bytes.len() / 2]);
                fs::write(path, content).unwrap();
                std::process::exit(KILLED)
            }
            Fault::PowerFailure(at) if self.count == *at => {
                self.disk.lose();
                std::process::exit(KILLED)
            }
            Fault::Remove(at, path) if self.count == *at => {
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
            }
            Fault::Overwrite(at, path) if self.count == *at => fs::write(path, "something else").unwrap(),
            Fault::Interrupt(at, failing) if self.count == *at => {
                let process = std::process::id().to_string();
                assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
                self.failing = Some(failing.clone());
            }
            _ => {}
        }
        if self.failing.as_ref() == Some(&file) {
            return Err(io::Error::other(INJECTED));
        }
        self.disk.before(operation, path);
        self.previous = Some((OwnedOperation::of(operation), path.to_owned()));
        Ok(())
    }
}

/// What a power failure would lose.
#[derive(Default)]
struct Disk {
    /// The flushed length of files with content that is not flushed.
    lengths: HashMap<PathBuf, u64>,
    /// The former content of names that were created or replaced since their folder was flushed; `None` for a new name.
    names: HashMap<PathBuf, Option<Vec<u8>>>,
}

enum OwnedOperation {
    Sync,
    Rename(PathBuf),
    Other,
}

impl OwnedOperation {
    fn of(operation: &Operation) -> Self {
        match operation {
            Operation::Sync => Self::Sync,
            Operation::Rename(to) => Self::Rename(to.to_path_buf()),
            _ => Self::Other,
        }
    }
}

impl Disk {
    fn before(&mut self, operation: &Operation, path: &Path) {
        match operation {
            Operation::CreateFolder | Operation::Create if !path.exists() => {
                self.names.insert(path.to_owned(), None);
            }
            Operation::Write(_) => {
                self.lengths
                    .entry(path.to_owned())
                    .or_insert_with(|| fs::metadata(path).map_or(0, |metadata| metadata.len()));
            }
            Operation::Rename(to) => {
                self.names.entry(to.to_path_buf()).or_insert_with(|| fs::read(to).ok());
            }
            _ => {}
        }
    }

    fn after(&mut self, operation: OwnedOperation, path: &Path) {
        match operation {
            OwnedOperation::Sync => {
                self.lengths.remove(path);
                self.names.retain(|name, _| name.parent() != Some(path));
            }
            OwnedOperation::Rename(to) => {
                self.names.remove(path);
                if let Some(length) = self.lengths.remove(path) {
                    self.lengths.insert(to, length);
                }
            }
            OwnedOperation::Other => {}
        }
    }

    fn lose(&self) {
        for (path, length) in self.lengths.iter().filter(|(path, _)| path.exists()) {
            fs::File::options().write(true).open(path).unwrap().set_len(*length).unwrap();
        }
        for (path, content) in &self.names {
            match content {
                Some(content) => fs::write(path, content).unwrap(),
                None if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                None if path.exists() => fs::remove_file(path).unwrap(),
                None => {}
            }
        }
    }
}

fn kind_of(operation: &Operation) -> String {
    let text = format!("{operation:?}");
    text.split('(').next().unwrap().to_owned()
}

/// `.model.safetensors.12-0.tmp` becomes `model.safetensors`.
fn file_of(operation: &Operation, path: &Path) -> String {
    let path = if let Operation::Rename(to) = operation { to } else { path };
    let name = path.file_name().unwrap().to_str().unwrap();
    match name.strip_suffix(".tmp") {
        Some(temporary) => temporary.rsplit_once('.').unwrap().0.strip_prefix('.').unwrap().to_owned(),
        None => name.to_owned(),
    }
}
