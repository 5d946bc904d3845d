//! Combining the shards of a sweep, which were trained in folders of their own.

use std::path::{Path, PathBuf};

use super::statistics::{best_member, ranking};
use super::{MemberResult, Shard, StoredSweep, SweepConfig, SweepError, SweepFiles};
use crate::wording::count;

/// All shards of a sweep.
#[derive(Debug)]
pub struct Shards {
    /// Their folders, in the order of their numbers.
    shards: Vec<(PathBuf, StoredSweep)>,
    /// What was asked of the whole sweep.
    config: SweepConfig,
}

/// Why folders are not all shards of a sweep.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A folder cannot be used.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// No folders.
    #[error("there are no shards to combine")]
    Nothing,
    /// A folder has a whole sweep.
    #[error("{} is not a shard: it has a whole sweep", path.display())]
    Whole {
        /// The folder.
        path: PathBuf,
    },
    /// Two folders have shards of different sweeps.
    #[error("{} and {} are shards of different sweeps: {what} differs", first.display(), path.display())]
    Different {
        /// The first folder.
        first: PathBuf,
        /// The other folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Two folders have the same shard.
    #[error("{} and {} are both shard {shard}", first.display(), path.display())]
    Repeated {
        /// The first folder.
        first: PathBuf,
        /// The other folder.
        path: PathBuf,
        /// The shard.
        shard: Shard,
    },
    /// Some shards are not there.
    #[error("missing {}", shards(missing, *of))]
    Missing {
        /// Their numbers.
        missing: Vec<usize>,
        /// The number of all shards.
        of: usize,
    },
    /// Members of a shard have not ended.
    #[error("{} is incomplete: {} of shard {shard} without a result", path.display(), count(left, "member"))]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// The shard.
        shard: Shard,
        /// The number of these members.
        left: usize,
    },
}

/// "shard 2/4", "shards 2/4 and 3/4", "shards 1/9, 2/9, 3/9 and 4 more".
fn shards(numbers: &[usize], of: usize) -> String {
    const SHOWN: usize = 5;
    let names: Vec<_> =
        numbers.iter().take(SHOWN).map(|&number| Shard { number, count: of }.to_string()).collect();
    match names.as_slice() {
        [name] => format!("shard {name}"),
        names if numbers.len() > SHOWN => {
            format!("shards {} and {} more", names.join(", "), numbers.len() - names.len())
        }
        [others @ .., last] => format!("shards {} and {last}", others.join(", ")),
        [] => String::new(),
    }
}

impl Shards {
    /// Reads the folders of shards, and checks that they are all shards of one sweep, each once, whose members have all
    /// ended.
    ///
    /// # Errors
    /// Names what is missing, repeated or different.
    pub fn read(paths: &[PathBuf]) -> Result<Self, MergeError> {
        let mut shards: Vec<(Shard, PathBuf, StoredSweep)> = Vec::new();
        for path in paths {
            let mut sweep = SweepFiles::read(path)?;
            let Some(shard) = sweep.config.shard.take() else {
                return Err(MergeError::Whole { path: path.clone() });
            };
            if let Some((other, first, before)) = shards.first()
                && let Some(what) = difference(&before.config, *other, &sweep.config, shard)
            {
                return Err(MergeError::Different { first: first.clone(), path: path.clone(), what });
            }
            if let Some((_, first, _)) = shards.iter().find(|(other, ..)| *other == shard) {
                return Err(MergeError::Repeated { first: first.clone(), path: path.clone(), shard });
            }
            shards.push((shard, path.clone(), sweep));
        }
        shards.sort_by_key(|(shard, ..)| shard.number);
        let Some(of) = shards.first().map(|(shard, ..)| shard.count) else { return Err(MergeError::Nothing) };
        let has = |number: &usize| shards.iter().any(|(shard, ..)| shard.number == *number);
        let missing: Vec<usize> = (1..=of).filter(|number| !has(number)).collect();
        if !missing.is_empty() {
            return Err(MergeError::Missing { missing, of });
        }
        for (shard, path, sweep) in &shards {
            let members = sweep.plan.members().filter(|member| shard.has(member.index)).count();
            let left = members - sweep.results.len();
            if left > 0 {
                return Err(MergeError::Incomplete { path: path.clone(), shard: *shard, left });
            }
        }
        let config = shards[0].2.config.clone();
        Ok(Self { shards: shards.into_iter().map(|(_, path, sweep)| (path, sweep)).collect(), config })
    }

    /// What was asked of the whole sweep.
    pub fn config(&self) -> &SweepConfig {
        &self.config
    }

    /// Writes the results of all shards, and the best model, to the folder of the whole sweep. The runs stay where they are.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn write_to(self, files: &mut SweepFiles) -> Result<(), SweepError> {
        let mut results: Vec<MemberResult> = Vec::new();
        for (path, sweep) in &self.shards {
            let folder = relative(path, files.path());
            results.extend(sweep.results.iter().map(|result| {
                let run = folder.join(&result.run).to_string_lossy().into_owned();
                MemberResult { run, ..result.clone() }
            }));
        }
        files.append_all(results)?;
        let StoredSweep { config, plan, results } = files.stored();
        let ranking = ranking(plan, config.metric, results);
        if let Some(best) = best_member(&ranking, config.metric, results) {
            let member = best.member;
            files.set_model(member)?;
        }
        Ok(())
    }
}

/// A folder as seen from another one: beside it, or absolute.
fn relative(path: &Path, from: &Path) -> PathBuf {
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (path, from) = (absolute(path), absolute(from));
    match (path.file_name(), path.parent()) {
        (Some(name), Some(parent)) if from.parent() == Some(parent) => Path::new("..").join(name),
        _ => path,
    }
}

/// What makes two shards ones of different sweeps.
fn difference(one: &SweepConfig, shard: Shard, other: &SweepConfig, other_shard: Shard) -> Option<String> {
    if shard.count != other_shard.count {
        return Some("the number of shards".to_owned());
    }
    if one.program != other.program {
        return Some(format!("the version of the program ({} and {})", one.program, other.program));
    }
    let names = one.options.keys().chain(other.options.keys());
    if let Some(name) = names.into_iter().find(|&name| one.options.get(name) != other.options.get(name)) {
        return Some(name.clone());
    }
    if one.variations != other.variations {
        return Some("what is varied".to_owned());
    }
    if one.metric != other.metric {
        return Some("the metric".to_owned());
    }
    (one != other).then(|| "the number or the seed of the random settings".to_owned())
}
