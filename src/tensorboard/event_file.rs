//! An event file that grows, and its name.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::messages::{Event, SessionLog, SessionStatus, Summary, SummaryValue};
use super::record;
use crate::files::operations;

/// How the names of event files begin. The number of seconds since 1970 follows, with ten digits.
const PREFIX: &str = "events.out.tfevents.";

/// The names that are tried for a new file.
const ATTEMPTS: u32 = 64;

/// An event file could not be created or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct EventFileError {
    path: PathBuf,
    source: io::Error,
}

/// An event file. Events that cannot be written stay in memory for the next attempt.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    /// The length of the file: whole records.
    length: u64,
    /// Records that are not written yet.
    pending: Vec<u8>,
}

impl EventFile {
    /// Creates a new file in a folder, which is created if it does not exist. Its name sorts after those of the folder's
    /// event files, as TensorBoard reads files in this order. `start` is the first step whose events will follow;
    /// TensorBoard discards what earlier files have from this step on.
    ///
    /// # Errors
    /// If the folder or the file cannot be created or written.
    pub fn create(folder: &Path, start: u64) -> Result<Self, EventFileError> {
        let failed = |path: &Path, source| EventFileError { path: path.to_owned(), source };
        operations::create_folders(folder).map_err(|source| failed(folder, source))?;
        let now = now() as u64;
        let seconds = latest(folder).map_or(now, |latest| now.max(latest.saturating_add(1)));
        let (host, process) = (host_name(), std::process::id());
        let mut path = folder.to_owned();
        for number in 0..ATTEMPTS {
            path = folder.join(format!("{PREFIX}{seconds:010}.{host}.{process}.{number}"));
            match operations::create_new(&path) {
                Ok(file) => {
                    let mut created = Self { path, file, length: 0, pending: Vec::new() };
                    created.push_event(Event {
                        file_version: Some("brain.Event:2".to_owned()),
                        ..Event::default()
                    });
                    let session_log = Some(SessionLog { status: SessionStatus::Start.into() });
                    created.push_event(Event { step: start as i64, session_log, ..Event::default() });
                    created.write()?;
                    return Ok(created);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed(&path, source)),
            }
        }
        Err(failed(&path, io::ErrorKind::AlreadyExists.into()))
    }

    /// Adds values of a step. They are written by [`Self::write`].
    pub(super) fn push(&mut self, step: u64, value: Vec<SummaryValue>) {
        let summary = Some(Summary { value });
        self.push_event(Event { step: step as i64, summary, ..Event::default() });
    }

    fn push_event(&mut self, event: Event) {
        record::append(&mut self.pending, &Event { wall_time: now(), ..event });
    }

    /// Writes what has been added.
    ///
    /// # Errors
    /// If it could not be written. The file then ends with a whole record, so that it stays readable, and the next call
    /// tries again.
    pub fn write(&mut self) -> Result<(), EventFileError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        match self.append() {
            Ok(()) => {
                self.length += self.pending.len() as u64;
                self.pending.clear();
                Ok(())
            }
            Err(source) => {
                // The first error is more useful than one about this cleanup, which the next attempt repeats.
                let _ = self.rewind();
                Err(EventFileError { path: self.path.clone(), source })
            }
        }
    }

    fn append(&mut self) -> io::Result<()> {
        // A part of an earlier attempt may be there.
        if self.file.stream_position()? != self.length {
            self.rewind()?;
        }
        operations::write(&self.file, &self.path, &self.pending)
    }

    /// Cuts the file after its last whole record.
    fn rewind(&mut self) -> io::Result<()> {
        operations::truncate(&self.file, &self.path, self.length)?;
        self.file.seek(SeekFrom::Start(self.length)).map(|_| ())
    }
}

/// Whether a file has the name of an event file.
pub fn is_event_file(name: &Path) -> bool {
    name.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

/// Whether a folder has event files.
pub fn has_event_files(folder: &Path) -> bool {
    latest(folder).is_some()
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The latest time in the names of a folder's event files.
fn latest(folder: &Path) -> Option<u64> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let seconds = names.filter_map(|name| {
        let time = name.to_str()?.strip_prefix(PREFIX)?.split('.').next()?;
        time.parse().ok()
    });
    seconds.max()
}

/// The name of this machine, as far as a file's name can have it.
fn host_name() -> String {
    let linux = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name =
        linux.or_else(|| ["COMPUTERNAME", "HOSTNAME"].iter().find_map(|name| std::env::var(name).ok()));
    let plain: String = name
        .unwrap_or_default()
        .trim()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(*letter))
        .take(64)
        .collect();
    if plain.is_empty() { "localhost".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::super::messages::Event;
    use super::*;
    use crate::files::faults::{Operation, observe};

    fn steps(path: &Path) -> Vec<i64> {
        let events = record::read::<Event>(&fs::read(path).unwrap());
        events.iter().map(|event| event.step).collect()
    }

    #[test]
    fn a_file_begins_with_its_version_and_the_step_that_it_starts_from() {
        let folder = tempfile::tempdir().unwrap();
        let file = EventFile::create(&folder.path().join("new/run"), 5).unwrap();
        let events = record::read::<Event>(&fs::read(&file.path).unwrap());
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        let start = Some(SessionLog { status: SessionStatus::Start.into() });
        assert_eq!((events[1].step, events[1].session_log.clone()), (5, start));
        assert!(events[0].wall_time > 1.7e9);
        assert!(is_event_file(&file.path) && has_event_files(&folder.path().join("new/run")));
    }

    #[test]
    fn later_files_are_sorted_after_earlier_ones() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.out.tfevents.9999999990.other.1.0"), "").unwrap();
        let files = [(); 2].map(|()| EventFile::create(folder.path(), 0).unwrap().path);
        assert!(files.is_sorted() && files[0] != files[1], "{files:?}");
        assert!(files[0].to_str().unwrap().contains("tfevents.9999999991."), "{files:?}");
    }

    #[test]
    fn events_that_were_not_written_are_written_later_and_the_file_stays_readable() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path(), 0).unwrap();
        file.push(1, Vec::new());
        {
            let path = file.path.clone();
            let _full = observe(folder.path(), move |operation, _| match operation {
                // Half of the bytes, then a full disk.
                Operation::Write(bytes) => {
                    let mut file = fs::OpenOptions::new().append(true).open(&path)?;
                    io::Write::write_all(&mut file, &bytes[..bytes.len() / 2])?;
                    Err(io::ErrorKind::StorageFull.into())
                }
                _ => Ok(()),
            });
            let error = file.write().unwrap_err();
            assert!(error.to_string().starts_with("cannot write "), "{error}");
        }
        assert_eq!(steps(&file.path), [0, 0]);
        file.push(2, Vec::new());
        file.write().unwrap();
        assert_eq!(steps(&file.path), [0, 0, 1, 2]);
    }

    #[test]
    fn a_host_name_is_fit_for_a_file_name() {
        let name = host_name();
        assert!(!name.is_empty() && !name.contains(['/', '\\', ' ', '\n']), "{name:?}");
    }
}
