//! Checks of what is varied: the names and the values are those that `train` accepts.

use std::collections::HashSet;

use anyhow::anyhow;

use crate::cli::recipe::TrainOptions;
use crate::cli::{Failure, usage};
use crate::sweep::{MAX_MEMBERS, Plan, SweepConfig, Variation};

/// The present name of a varied option. If it cannot be varied, returns why, and a hint.
pub fn name(spelt: &str, train: &TrainOptions) -> Result<String, (String, String)> {
    let spelt = spelt.trim_start_matches("--");
    train.name(spelt).ok_or_else(|| {
        let similar =
            usage::similar_option(&spelt.replace('_', "-")).filter(|name| train.name(name).is_some());
        let hint = match similar {
            Some(similar) => format!("did you mean {similar}?"),
            None => "`lenet-gpu train --help` lists the options".to_owned(),
        };
        (format!("{spelt:?} is no option of train that a sweep can vary"), hint)
    })
}

/// Rounds the numbers of an interval to whole ones if the option takes only these. Both ends must be values of the option.
pub fn round_whole_numbers(variation: &mut Variation, train: &TrainOptions) -> Result<(), Failure> {
    let Some((ends, fraction)) = variation.probes().filter(|_| !variation.is_seed()) else { return Ok(()) };
    for end in ends {
        train.check(&variation.name, &end).map_err(|problem| of(variation, &problem))?;
    }
    if train.check(&variation.name, &fraction).is_err() {
        *variation = variation.clone().with_whole_numbers();
    }
    Ok(())
}

/// Checks each value by the parser of its option.
pub fn check_values(config: &SweepConfig, plan: &Plan, train: &TrainOptions) -> Result<(), Failure> {
    for (index, variation) in config.variations.iter().filter(|varied| !varied.is_seed()).enumerate() {
        let mut seen = HashSet::new();
        let mut check = |value: &str| match seen.insert(value.to_owned()) {
            true => train.check(&variation.name, value).map_err(|problem| of(variation, &problem)),
            false => Ok(()),
        };
        // Also values of a list that no random setting has.
        if variation.count().is_some_and(|count| count <= MAX_MEMBERS) {
            variation.listed().into_iter().flatten().try_for_each(|value| check(&value))?;
        }
        plan.settings.iter().try_for_each(|setting| check(&setting.values[index].1))?;
    }
    Ok(())
}

/// A wrong value of a variation.
fn of(variation: &Variation, problem: &str) -> Failure {
    Failure::Input(anyhow!("--vary {}={}: {problem}", variation.name, variation.typed_values()))
}
