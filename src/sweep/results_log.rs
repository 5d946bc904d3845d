//! `sweep.jsonl`: a line per ended member.

use std::io;
use std::path::Path;

use super::{MemberResult, Plan, Shard};
use crate::files::operations;

/// The line of a result.
pub(super) fn line(result: &MemberResult) -> Vec<u8> {
    let mut line = serde_json::to_vec(result).expect("a result can be represented in JSON");
    line.push(b'\n');
    line
}

/// Appends lines to a file of this length, and flushes them to disk. If that fails, part of a line may be left, which is
/// removed if possible.
pub(super) fn append(path: &Path, lines: &[u8], length: u64) -> io::Result<()> {
    let file = operations::open_append(path)?;
    // One write: a program that follows the file never sees part of a line, unless the disk is full.
    let appended = operations::write(&file, path, lines).and_then(|()| operations::sync(&file, path));
    appended.inspect_err(|_| {
        // The write error is reported. If this fails too, the file is replaced later.
        let _ = operations::truncate(&file, path, length);
    })
}

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    /// The results, in the order of the members.
    pub results: Vec<MemberResult>,
    /// Whether all lines are complete, so that more can be appended.
    pub is_complete: bool,
}

/// What is wrong with a line.
#[derive(Debug)]
pub(super) struct LineError {
    /// Counted from 1.
    pub line: usize,
    pub problem: String,
}

/// Reads and checks all lines. A last line that is incomplete is left out: the process was killed, or the disk was full,
/// while it was written.
pub(super) fn read(bytes: &[u8], plan: &Plan, shard: Option<Shard>) -> Result<Lines, LineError> {
    let mut lines: Vec<Option<MemberResult>> = vec![None; plan.settings.len() * plan.seeds.len()];
    let mut is_complete = true;
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let error = |problem: String| LineError { line: index + 1, problem };
        let has_end = line.ends_with(b"\n");
        is_complete &= has_end;
        let result: MemberResult = match serde_json::from_slice(line) {
            Ok(result) => result,
            Err(_) if !has_end => continue,
            Err(problem) => return Err(error(format!("is not the result of a member: {problem}"))),
        };
        result.check(plan).map_err(error)?;
        let member = result.member;
        if let Some(shard) = shard.filter(|shard| !shard.has(member)) {
            return Err(error(format!("is of member {member}, which is not in the shard {shard}")));
        }
        if lines[member].replace(result).is_some() {
            return Err(error(format!("repeats member {member}")));
        }
    }
    Ok(Lines { results: lines.into_iter().flatten().collect(), is_complete })
}
