//! What was asked of a sweep: `sweep.toml`.
//!
//! ```toml
//! [program]
//! version = "0.1.0"
//! commit = ""
//!
//! [sweep]
//! metric = "validation-accuracy"
//! samples = 20
//! sweep-seed = 0
//!
//! [vary]
//! lr = "log:1e-4:1e-1"
//! seed = "0..4"
//!
//! [options]
//! epochs = 3
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{Halving, HalvingError, Member, Metric, Plan, PlanError, Variation};
use crate::toml_names::{hyphenated, underscored};
use crate::train::{Program, TrainingConfig};

/// What was asked of a sweep: everything that determines its members. Stored as `sweep.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepConfig {
    /// The program that runs the sweep.
    pub program: Program,
    /// How members are compared.
    pub metric: Metric,
    /// What is varied, in the order given. The seed may be among them.
    pub variations: Vec<Variation>,
    /// The number of settings to draw at random; `None` for a grid.
    pub samples: Option<usize>,
    /// The seed of the settings that are drawn at random.
    pub sweep_seed: u64,
    /// Whether settings are ended early by successive halving.
    pub halving: bool,
    /// Whose folders are kept.
    pub keep: Keep,
    /// The part of the sweep that this folder has; `None` for all of it.
    pub shard: Option<Shard>,
    /// The options that all members have, by name, whether typed or from a preset or a file.
    pub options: Table,
}

/// Whose run directories are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those of all members.
    #[default]
    All,
    /// That of the best member.
    Best,
}

/// A part of a sweep: the members whose index is `number - 1` modulo `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// The number of this shard, from 1 to `count`.
    pub number: usize,
    /// The number of shards.
    pub count: usize,
}

impl Shard {
    /// Parses `K/N`.
    ///
    /// # Errors
    /// If it is not two whole numbers with 1 ≤ K ≤ N ≤ 10,000.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, count)| {
            Some(Self { number: number.parse().ok()?, count: count.parse().ok()? })
        });
        parsed
            .filter(|shard| (1..=shard.count).contains(&shard.number) && shard.count <= super::MAX_MEMBERS)
            .ok_or_else(|| {
                "must be K/N, the number of this part and that of all parts, such as 1/4".to_owned()
            })
    }

    /// Returns whether a member belongs to this shard.
    pub fn has(self, member: usize) -> bool {
        member % self.count == self.number - 1
    }
}

/// `K/N`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

/// The table `[sweep]`. In a file that a user writes, all fields are optional.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepTable {
    /// How members are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// The number of settings to draw at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// The seed of the settings that are drawn at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_seed: Option<u64>,
    /// Whether settings are ended early by successive halving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<bool>,
    /// Whose folders are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// `K/N`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The varied options whose numbers are rounded to whole ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole_numbers: Vec<String>,
}

#[derive(Serialize)]
struct File<'a> {
    program: &'a Program,
    sweep: SweepTable,
    vary: Vary<'a>,
    options: &'a Table,
}

/// Variations as a table in their order, which a [`Table`] does not keep.
struct Vary<'a>(&'a [Variation]);

impl Serialize for Vary<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|variation| (&variation.name, variation.typed_values())))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    program: Program,
    sweep: Table,
    #[serde(rename = "vary")]
    _vary: Table,
    options: Table,
}

impl SweepConfig {
    /// Returns the plan: all members, also those of other shards.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        match self.samples {
            None => Plan::grid(&self.variations, self.seed()),
            Some(samples) => Plan::random(&self.variations, samples, self.sweep_seed, self.seed()),
        }
    }

    /// The seed of all members, if it is not varied.
    pub fn seed(&self) -> u64 {
        let given = self.options.get(Variation::SEED).and_then(Value::as_integer);
        given.and_then(|seed| seed.try_into().ok()).unwrap_or(TrainingConfig::default().seed)
    }

    /// Returns the members that this folder has, in order: all of the plan's, or those of the shard.
    pub fn members<'a>(&self, plan: &'a Plan) -> impl Iterator<Item = Member> + use<'a> {
        let shard = self.shard;
        plan.members().filter(move |member| shard.is_none_or(|shard| shard.has(member.index)))
    }

    /// Returns the rule of successive halving for runs of this many epochs, which may end within an epoch. Without halving,
    /// all members train to their end.
    ///
    /// # Errors
    /// If there are too few epochs or settings.
    pub fn halving(&self, plan: &Plan, epochs: f64) -> Result<Halving, HalvingError> {
        if self.halving { Halving::new(plan.settings.len(), epochs) } else { Ok(Halving::none()) }
    }

    /// The configuration as the text of a `sweep.toml`.
    pub fn to_toml(&self) -> String {
        use super::Values::Interval;
        let whole = |variation: &&Variation| matches!(variation.values, Interval { is_whole: true, .. });
        let sweep = SweepTable {
            metric: Some(self.metric),
            samples: self.samples,
            sweep_seed: self.samples.map(|_| self.sweep_seed),
            halving: self.halving.then_some(true),
            keep: (self.keep != Keep::All).then_some(self.keep),
            shard: self.shard.map(|shard| shard.to_string()),
            whole_numbers: self.variations.iter().filter(whole).map(|varied| varied.name.clone()).collect(),
        };
        let file =
            File { program: &self.program, sweep, vary: Vary(&self.variations), options: &self.options };
        hyphenated(&toml::to_string(&file).expect("text and numbers can be represented in TOML"))
    }

    /// Reads the text of a `sweep.toml`.
    ///
    /// # Errors
    /// What is wrong with it, one line.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let one_line = |error: toml::de::Error| error.message().replace('\n', " ");
        let file: ReadFile = toml::from_str(text).map_err(one_line)?;
        let sweep = SweepTable::read(file.sweep)?;
        let metric = sweep.metric.ok_or("[sweep] has no metric")?;
        let shard = sweep.shard.as_deref().map(Shard::parse).transpose();
        let mut variations = variations(text)?;
        for variation in &mut variations {
            if sweep.whole_numbers.contains(&variation.name) {
                *variation = variation.clone().with_whole_numbers();
            }
        }
        Ok(Self {
            program: file.program,
            metric,
            variations,
            samples: sweep.samples,
            sweep_seed: sweep.sweep_seed.unwrap_or_default(),
            halving: sweep.halving.unwrap_or_default(),
            keep: sweep.keep.unwrap_or_default(),
            shard: shard.map_err(|rule| format!("shard {rule}"))?,
            options: file.options,
        })
    }
}

impl SweepTable {
    /// Reads the table `[sweep]`, whose names may have hyphens or underscores.
    ///
    /// # Errors
    /// What is wrong with it, one line.
    pub fn read(table: Table) -> Result<Self, String> {
        underscored(table).try_into().map_err(|error: toml::de::Error| {
            format!("[sweep]: {}", error.message().replace('\n', " ").replace('_', "-"))
        })
    }
}

/// Reads the table `[vary]` of a file, in the order of its lines. A value is a string as on the command line, or an array.
///
/// # Errors
/// What is wrong with it, one line.
pub fn variations(text: &str) -> Result<Vec<Variation>, String> {
    let table = DeTable::parse(text).map_err(|error| error.message().replace('\n', " "))?;
    let Some(vary) = table.get_ref().get("vary").and_then(|vary| vary.get_ref().as_table()) else {
        return Ok(Vec::new());
    };
    let mut entries: Vec<_> = vary.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries.into_iter().map(|(name, values)| variation(name.get_ref(), values)).collect()
}

fn variation(name: &str, values: &Spanned<DeValue>) -> Result<Variation, String> {
    let read = match values.get_ref() {
        DeValue::String(text) => Variation::new(name, text),
        DeValue::Array(values) => {
            let values: Option<Vec<String>> = values.iter().map(|value| typed(value.get_ref())).collect();
            let Some(values) = values else {
                return Err(format!("[vary] {name}: values must be numbers, strings, true or false"));
            };
            Variation::list(name, values)
        }
        value => match typed(value) {
            Some(value) => Variation::list(name, vec![value]),
            None => return Err(format!("[vary] {name}: must be an array, or a string such as \"0..9\"")),
        },
    };
    read.map_err(|error| format!("[vary] {error}"))
}

/// A value as it is typed: numbers as they stand in the file.
fn typed(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SweepConfig {
        let variations = ["seed=0..4", "lr=1e-3,3e-3", "batch-size=log:16:256"];
        let variations = variations.map(|text| Variation::parse(text).unwrap());
        SweepConfig {
            program: Program::this(),
            metric: Metric::ValidationAccuracy,
            variations: variations.map(Variation::with_whole_numbers).to_vec(),
            samples: Some(7),
            sweep_seed: 3,
            halving: true,
            keep: Keep::Best,
            shard: Some(Shard { number: 2, count: 4 }),
            options: toml::toml! {
                seed = 5
                data-dir = "a_b"
            },
        }
    }

    #[test]
    fn a_configuration_can_be_read_back_from_its_toml() {
        let text = config().to_toml();
        assert_eq!(SweepConfig::from_toml(&text), Ok(config()), "{text}");
        for expected in ["sweep-seed = 3", "shard = \"2/4\"", "whole-numbers = [\"batch-size\"]"] {
            assert!(text.contains(expected), "{text}");
        }
        let grid = SweepConfig {
            samples: None,
            sweep_seed: 0,
            halving: false,
            keep: Keep::All,
            shard: None,
            variations: vec![Variation::parse("lr=1,2").unwrap()],
            ..config()
        };
        let text = grid.to_toml();
        assert_eq!(SweepConfig::from_toml(&text), Ok(grid), "{text}");
        assert!(!text.contains("sample") && !text.contains("shard"), "{text}");
    }

    #[test]
    fn variations_keep_the_order_and_the_spelling_of_the_file() {
        let text = "[vary]\nmomentum = 'uniform:0:0.9'\nlr = [1e-3, 0x10, 1_000, 0.50]\nflip = [true, false]\n\
                    activation = 'relu,tanh'\nepochs = 3";
        let varied = variations(text).unwrap();
        let typed: Vec<_> = varied.iter().map(|v| format!("{}={}", v.name, v.typed_values())).collect();
        assert_eq!(
            typed,
            [
                "momentum=uniform:0:0.9",
                "lr=1e-3,16,1000,0.50",
                "flip=true,false",
                "activation=relu,tanh",
                "epochs=3"
            ]
        );
        assert_eq!(variations("[options]\nlr = 1"), Ok(Vec::new()));
    }

    #[test]
    fn a_damaged_file_is_rejected_with_the_reason() {
        let text = SweepConfig { samples: None, ..config() }.to_toml();
        for (replaced, by, expected) in [
            ("metric = \"validation-accuracy\"", "", "[sweep] has no metric"),
            ("validation-accuracy", "f1", "unknown variant `f1`"),
            ("shard = \"2/4\"", "shard = \"5/4\"", "shard must be K/N"),
            ("shard = \"2/4\"", "shards = 4", "unknown field `shards`"),
            ("lr = \"1e-3,3e-3\"", "lr = []", "[vary] lr=: it has no values"),
            ("lr = \"1e-3,3e-3\"", "lr = [[1]]", "[vary] lr: values must be numbers"),
            ("lr = \"1e-3,3e-3\"", "lr = { a = 1 }", "[vary] lr: must be an array"),
            ("[vary]", "[varied]", "unknown field `varied`"),
            ("[options]", "[options", "unclosed table"),
        ] {
            let error = SweepConfig::from_toml(&text.replace(replaced, by)).expect_err(expected);
            assert!(error.contains(expected) && error.lines().count() == 1, "{expected}: {error}");
        }
    }

    #[test]
    fn shards_divide_the_members() {
        assert_eq!(Shard::parse("2/3"), Ok(Shard { number: 2, count: 3 }));
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "1/99999", "-1/3"] {
            assert!(Shard::parse(text).is_err(), "{text}");
        }
        let mut config = config();
        config.shard = None;
        let plan = config.plan().unwrap();
        let all: Vec<_> = config.members(&plan).map(|member| member.index).collect();
        assert_eq!(all, Vec::from_iter(0..35));
        let mut divided = Vec::new();
        for number in 1..=4 {
            config.shard = Some(Shard { number, count: 4 });
            divided.extend(config.members(&plan).map(|member| member.index));
        }
        divided.sort_unstable();
        assert_eq!(divided, all);
    }

    #[test]
    fn the_seed_of_the_options_is_that_of_members_unless_it_is_varied() {
        let mut config = config();
        assert_eq!(config.seed(), 5);
        assert_eq!(config.plan().unwrap().seeds, [0, 1, 2, 3, 4]);
        config.variations.remove(0);
        assert_eq!(config.plan().unwrap().seeds, [5]);
        config.options.clear();
        assert_eq!(config.plan().unwrap().seeds, [TrainingConfig::default().seed]);
    }
}
