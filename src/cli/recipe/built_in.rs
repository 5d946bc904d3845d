//! The built-in presets.

use anyhow::anyhow;

use crate::cli::Failure;

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
        let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        Failure::Input(anyhow!("unknown preset {name:?}; presets are {}", names.join(", ")))
    })
}
