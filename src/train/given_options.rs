//! The options that the user gave for a run, and the command that repeats it.

use toml::{Table, Value};

use super::RunConfig;

impl RunConfig {
    /// The options that the user gave, whether typed or from a preset or a file, as name and value: `("lr", "1e-3")`.
    /// Options that were not given have their defaults and are left out.
    pub fn given_options(&self) -> Vec<(String, String)> {
        // Reading TOML replaces hyphens by underscores.
        self.options.iter().map(|(name, value)| (name.replace('_', "-"), typed(value))).collect()
    }

    /// The command that repeats the run in a new directory, quoted for a shell. It gives the same weights with the same
    /// program, data, device and driver, unless the run was extended: a learning-rate schedule depends on the length.
    pub fn reproduce_command(&self) -> String {
        let mut command = "lenet-gpu train".to_owned();
        let has = |name: &str| self.options.contains_key(name);
        if !has("backend") && !has("adapter") {
            // Another machine, or this one with another driver, may choose another backend by default.
            command += &format!(" --backend {}", quoted(&self.engine.backend));
        }
        command + &arguments(&self.options)
    }
}

/// Options as they are typed after a command, each with a space before it, quoted for a shell.
pub(crate) fn arguments(options: &Table) -> String {
    let argument = |(name, value): (&String, &Value)| {
        // Reading TOML replaces hyphens by underscores.
        let name = name.replace('_', "-");
        match typed(value).as_str() {
            "true" => format!(" --{name}"),
            // A flag takes its value only in this way, and a value may look like an option.
            "false" => format!(" --{name}=false"),
            value if value.starts_with('-') || value.is_empty() => format!(" --{name}={}", quoted(value)),
            value => format!(" --{name} {}", quoted(value)),
        }
    };
    options.iter().map(argument).collect()
}

/// A value as it is typed.
fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        value => value.to_string(),
    }
}

/// Quotes a word for POSIX shells, if it needs to be.
pub(crate) fn quoted(word: &str) -> String {
    // On Windows, paths have backslashes, which its shells do not treat as escapes.
    let is_plain = |letter: char| {
        letter.is_alphanumeric() || "/.-_:,+=@%".contains(letter) || (cfg!(windows) && letter == '\\')
    };
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_if_a_shell_would_change_it() {
        for (word, expected) in [
            ("runs/mnist-20261122-174530", "runs/mnist-20261122-174530"),
            ("1e-3", "1e-3"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$(touch x)", "'$(touch x)'"),
            ("~/data", "'~/data'"),
            ("a;b", "'a;b'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
