//! The built-in presets.

use crate::cli::{Failure, usage};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("presets/", $name, ".toml")))),*]
    };
}

/// The name and the file of every preset.
pub const PRESETS: &[(&str, &str)] =
    &built_in!["mnist-fast", "mnist-best", "cifar10-best", "paper-adam", "paper-gd"];

/// The file of a preset.
pub fn preset(name: &str) -> Result<&'static str, Failure> {
    let found = PRESETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let names = || PRESETS.iter().map(|(name, _)| *name);
        let hint = usage::similar_name(name, names()).map_or_else(
            || "`lenet-gpu presets` describes them".to_owned(),
            |similar| format!("did you mean {similar}?"),
        );
        let names = names().collect::<Vec<_>>().join(", ");
        Failure::usage(format!("unknown preset {name:?}; presets are {names}"), hint)
    })
}
