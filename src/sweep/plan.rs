//! Which members a sweep has.

use std::collections::HashSet;

use super::{Values, Variation};
use crate::random::{Draws, Purpose};
use crate::wording::{count, whole};

/// The largest number of members.
pub const MAX_MEMBERS: usize = 10_000;

/// The largest seed of a run.
const MAX_SEED: u64 = i64::MAX as u64;

/// How many draws in a row may give settings that are there already.
const MAX_REPEATED_DRAWS: usize = 100_000;

/// A combination of values of the varied options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name of each varied option except the seed, and its value as a user would type it.
    pub values: Vec<(String, String)>,
}

impl Setting {
    /// Returns the values in one line: "lr 1e-3, momentum 0.9"; "defaults" if nothing but the seed varies.
    pub fn label(&self) -> String {
        if self.values.is_empty() {
            return "defaults".to_owned();
        }
        let values: Vec<_> = self.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        values.join(", ")
    }
}

/// One run of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its number in the sweep, from 0. Members of one setting have consecutive numbers.
    pub index: usize,
    /// The index of its setting in [`Plan::settings`].
    pub setting: usize,
    /// Its seed.
    pub seed: u64,
}

/// The members of a sweep: each setting with each seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The settings; one without values if only the seed varies.
    pub settings: Vec<Setting>,
    /// The seeds; at least one.
    pub seeds: Vec<u64>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Nothing is varied.
    #[error("nothing is varied, so there is only one run")]
    NothingVaried,
    /// An option is varied twice.
    #[error("{0} is varied twice; combine the values")]
    Twice(String),
    /// There are too many members.
    #[error("the sweep has {members} members, more than {}: {factors}", whole(MAX_MEMBERS as u64))]
    TooManyMembers {
        /// The number of members.
        members: String,
        /// Where they come from: "3 values of lr × 5 seeds".
        factors: String,
    },
    /// A grid of an interval without a number of values.
    #[error("{name}={values} is a distribution, and a grid takes values")]
    Distribution {
        /// The name of the option.
        name: String,
        /// The values as typed.
        values: String,
    },
    /// Evenly spaced numbers that are the same when they are rounded.
    #[error(
        "{name}={values}: the value {value} occurs twice because {name} takes whole numbers; use fewer values"
    )]
    SameWhenRounded {
        /// The name of the option.
        name: String,
        /// The values as typed.
        values: String,
        /// The value.
        value: String,
    },
    /// A seed is not one.
    #[error("seed={0}: seeds are whole numbers from 0 to 2^63 - 1, as a list or as FIRST..LAST")]
    Seed(String),
    /// Random settings of a sweep that varies only the seed.
    #[error("only the seed is varied, so there are no settings to draw; vary another option")]
    OnlySeeds,
    /// There are fewer settings than samples.
    #[error("{samples} settings are requested, but the values have only {}", count(whole(*settings as u64), "combination"))]
    TooManySamples {
        /// How many were requested.
        samples: usize,
        /// How many there are.
        settings: usize,
    },
}

impl Plan {
    /// Returns the members, in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
        (0..self.settings.len() * self.seeds.len()).map(|index| self.member(index))
    }

    /// Returns the member with this number.
    ///
    /// # Panics
    /// If the plan has no seeds.
    pub fn member(&self, index: usize) -> Member {
        let seeds = self.seeds.len();
        Member { index, setting: index / seeds, seed: self.seeds[index % seeds] }
    }

    /// Returns all combinations of the values: a grid. The first variation changes slowest; the seed changes fastest.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn grid(variations: &[Variation], default_seed: u64) -> Result<Self, PlanError> {
        let (options, seeds) = divide(variations)?;
        let mut factors = Vec::new();
        for variation in &options {
            let Variation { name, values } = variation;
            if matches!(values, Values::Interval { count: None, .. }) {
                return Err(PlanError::Distribution { name: name.clone(), values: variation.typed_values() });
            }
            factors.push((variation.count(), count(count_text(variation.count()), "value") + " of " + name));
        }
        check_size(factors, seeds)?;

        let mut settings = vec![Setting { values: Vec::new() }];
        for variation in options {
            let values = distinct(variation)?;
            settings = settings
                .iter()
                .flat_map(|setting| values.iter().map(|value| with(setting, &variation.name, value)))
                .collect();
        }
        Ok(Self { settings, seeds: seeds_of(seeds, default_seed)? })
    }

    /// Draws settings at random, each option independently; settings that were drawn before are skipped. The first settings
    /// do not depend on their number, so that more samples extend a sweep.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn random(
        variations: &[Variation],
        samples: usize,
        sweep_seed: u64,
        default_seed: u64,
    ) -> Result<Self, PlanError> {
        let (options, seeds) = divide(variations)?;
        if options.is_empty() {
            return Err(PlanError::OnlySeeds);
        }
        check_size(vec![(Some(samples), count(whole(samples as u64), "setting"))], seeds)?;
        for variation in &options {
            distinct(variation)?;
        }
        let available =
            options.iter().try_fold(1usize, |product, variation| product.checked_mul(variation.count()?));
        if let Some(settings) = available.filter(|&settings| settings < samples) {
            return Err(PlanError::TooManySamples { samples, settings });
        }

        let (mut settings, mut seen) = (Vec::new(), HashSet::new());
        let (mut stream, mut repeated) = (0, 0);
        while settings.len() < samples {
            let mut draws = Draws::new(Purpose::Sweep, sweep_seed, stream);
            stream += 1;
            let values: Vec<_> = options
                .iter()
                .map(|variation| (variation.name.clone(), variation.drawn(draws.unit())))
                .collect();
            if seen.insert(values.clone()) {
                settings.push(Setting { values });
                repeated = 0;
            } else {
                repeated += 1;
                // Rounding can leave a few values in a narrow interval.
                if repeated == MAX_REPEATED_DRAWS {
                    return Err(PlanError::TooManySamples { samples, settings: settings.len() });
                }
            }
        }
        Ok(Self { settings, seeds: seeds_of(seeds, default_seed)? })
    }
}

/// Divides what is varied into the options and the seed.
fn divide(variations: &[Variation]) -> Result<(Vec<&Variation>, Option<&Variation>), PlanError> {
    if variations.is_empty() {
        return Err(PlanError::NothingVaried);
    }
    for (index, variation) in variations.iter().enumerate() {
        if variations[..index].iter().any(|other| other.name == variation.name) {
            return Err(PlanError::Twice(variation.name.clone()));
        }
    }
    let seeds = variations.iter().find(|variation| variation.is_seed());
    Ok((variations.iter().filter(|variation| !variation.is_seed()).collect(), seeds))
}

/// Checks the number of members before any are listed.
fn check_size(mut factors: Vec<(Option<usize>, String)>, seeds: Option<&Variation>) -> Result<(), PlanError> {
    if let Some(seeds) = seeds {
        factors.push((seeds.count(), count(count_text(seeds.count()), "seed")));
    }
    let members = factors.iter().try_fold(1usize, |product, (factor, _)| product.checked_mul((*factor)?));
    if members.is_some_and(|members| members <= MAX_MEMBERS) {
        return Ok(());
    }
    let factors: Vec<_> = factors.into_iter().map(|(_, text)| text).collect();
    Err(PlanError::TooManyMembers { members: count_text(members), factors: factors.join(" × ") })
}

fn count_text(count: Option<usize>) -> String {
    count.map_or_else(|| "very many".to_owned(), |count| whole(count as u64))
}

/// The values of a list, a range or evenly spaced values; none of a distribution.
fn distinct(variation: &Variation) -> Result<Vec<String>, PlanError> {
    let values = match variation.values {
        Values::Interval { count: None, .. } => Vec::new(),
        // Too long for a list, which random settings do not need.
        Values::Range { .. } if variation.count().is_none_or(|count| count > MAX_MEMBERS) => Vec::new(),
        _ => variation.listed().unwrap_or_default(),
    };
    match values.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PlanError::SameWhenRounded {
            name: variation.name.clone(),
            values: variation.typed_values(),
            value: pair[0].clone(),
        }),
        None => Ok(values),
    }
}

fn with(setting: &Setting, name: &str, value: &str) -> Setting {
    let mut values = setting.values.clone();
    values.push((name.to_owned(), value.to_owned()));
    Setting { values }
}

fn seeds_of(seeds: Option<&Variation>, default_seed: u64) -> Result<Vec<u64>, PlanError> {
    let Some(variation) = seeds else { return Ok(vec![default_seed]) };
    let wrong = || PlanError::Seed(variation.typed_values());
    if matches!(variation.values, Values::Interval { .. }) {
        return Err(wrong());
    }
    let seeds = variation.listed().unwrap_or_default();
    seeds.iter().map(|seed| seed.parse().ok().filter(|&seed| seed <= MAX_SEED).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variations(texts: &[&str]) -> Vec<Variation> {
        texts.iter().map(|text| Variation::parse(text).unwrap()).collect()
    }

    fn labels(plan: &Plan) -> Vec<String> {
        plan.settings.iter().map(Setting::label).collect()
    }

    #[test]
    fn in_a_grid_the_first_variation_changes_slowest_and_the_seed_fastest() {
        let plan = Plan::grid(&variations(&["lr=1,2", "seed=5..7", "flip=true,false"]), 0).unwrap();
        assert_eq!(
            labels(&plan),
            ["lr 1, flip true", "lr 1, flip false", "lr 2, flip true", "lr 2, flip false"]
        );
        assert_eq!(plan.members().len(), 12);
        assert_eq!(plan.member(7), Member { index: 7, setting: 2, seed: 6 });
    }

    #[test]
    fn a_sweep_over_the_seed_alone_has_one_setting() {
        let plan = Plan::grid(&variations(&["seed=1,5"]), 0).unwrap();
        assert_eq!((labels(&plan), plan.seeds), (vec!["defaults".to_owned()], vec![1, 5]));
        assert_eq!(Plan::grid(&variations(&["lr=1,2"]), 1998).unwrap().seeds, [1998]);
    }

    #[test]
    fn more_samples_extend_a_sweep() {
        let varied = variations(&["lr=log:1e-4:1e-1", "shift=0..3", "activation=relu,tanh", "seed=0,1"]);
        let few = Plan::random(&varied, 5, 3, 0).unwrap();
        let many = Plan::random(&varied, 50, 3, 0).unwrap();
        assert_eq!(few.settings, many.settings[..5]);
        assert_eq!((few.members().len(), few.seeds.clone()), (10, vec![0, 1]));
        let other = Plan::random(&varied, 5, 4, 0).unwrap();
        assert_ne!(many.settings[..5], other.settings, "another seed");
    }

    #[test]
    fn the_first_random_settings_are_pinned() {
        let varied = variations(&["lr=log:1e-4:1e-1", "momentum=uniform:0:0.99"]);
        let plan = Plan::random(&varied, 3, 0, 0).unwrap();
        assert_eq!(labels(&plan), PINNED);
    }

    const PINNED: [&str; 3] =
        ["lr 0.003883, momentum 0.8842", "lr 0.0044, momentum 0.3212", "lr 0.04197, momentum 0.7991"];

    #[test]
    fn random_settings_are_distinct_and_can_be_all_combinations() {
        let varied = variations(&["lr=1,2,3", "flip=true,false"]);
        let plan = Plan::random(&varied, 6, 0, 0).unwrap();
        let mut labels = labels(&plan);
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), 6);
        let error = Plan::random(&varied, 7, 0, 0).unwrap_err();
        assert_eq!(error, PlanError::TooManySamples { samples: 7, settings: 6 });
        let narrow = variations(&["lr=uniform:1:1.001"]);
        let error = Plan::random(&narrow, 5, 0, 0).unwrap_err();
        assert_eq!(error, PlanError::TooManySamples { samples: 5, settings: 2 });
    }

    #[test]
    fn a_sweep_of_absurd_size_is_rejected_with_its_factors() {
        let message = |texts: &[&str]| Plan::grid(&variations(texts), 0).unwrap_err().to_string();
        assert_eq!(
            message(&["lr=log:1e-4:1:30", "momentum=uniform:0:0.9:40", "seed=0..9"]),
            "the sweep has 12,000 members, more than 10,000: 30 values of lr × 40 values of momentum × 10 seeds"
        );
        assert!(message(&["seed=0..9223372036854775807"]).contains("9,223,372,036,854,775,808 members"));
        let huge = message(&["x=-9223372036854775807..9223372036854775807", "y=0..9"]);
        assert!(huge.contains("very many members"), "{huge}");
        let error = Plan::random(&variations(&["lr=log:1:2", "seed=0..99"]), 101, 0, 0).unwrap_err();
        assert!(error.to_string().contains("101 settings × 100 seeds"), "{error}");
        assert!(Plan::grid(&variations(&["seed=0..9999"]), 0).is_ok());
    }

    #[test]
    fn wrong_variations_are_rejected() {
        for (texts, expected) in [
            (&[][..], "nothing is varied"),
            (&["lr=1", "lr=2"], "lr is varied twice"),
            (&["lr=log:1e-4:1"], "lr=log:1e-4:1 is a distribution"),
            (&["seed=uniform:0:9:4"], "seed=uniform:0:9:4: seeds are whole numbers"),
            (&["seed=-1,2"], "seeds are whole numbers from 0"),
            (&["seed=9223372036854775808"], "2^63 - 1"),
        ] {
            let message = Plan::grid(&variations(texts), 0).unwrap_err().to_string();
            assert!(message.contains(expected), "{texts:?}: {message}");
        }
        assert_eq!(Plan::random(&variations(&["seed=0..9"]), 3, 0, 0), Err(PlanError::OnlySeeds));
        let shift = Variation::parse("shift=uniform:0:2:9").unwrap().with_whole_numbers();
        let message = Plan::grid(&[shift], 0).unwrap_err().to_string();
        assert!(message.contains("the value 0 occurs twice because shift takes whole numbers"), "{message}");
    }
}
