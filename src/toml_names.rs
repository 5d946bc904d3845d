//! The spelling of names in TOML files. They are written with hyphens, as the options of the command line, and read with
//! hyphens or underscores.

use std::collections::HashMap;

use toml::{Table, Value};

/// How strings of several lines begin and end.
const LONG_STRINGS: [&str; 2] = ["\"\"\"", "'''"];

/// Replaces the underscores of all names in a document that the `toml` crate has written.
pub fn hyphenated(text: &str) -> String {
    let mut within = None;
    let lines = text.split_inclusive('\n').map(|line| {
        if let Some(end) = within {
            within = within.filter(|_| !line.contains(end));
            return line.to_owned();
        }
        let end = if line.starts_with('[') { line.len() } else { line.find(" = ").unwrap_or(0) };
        let (name, rest) = line.split_at(end);
        let value = rest.strip_prefix(" = ").unwrap_or_default();
        within = LONG_STRINGS
            .into_iter()
            .find(|quotes| value.strip_prefix(quotes).is_some_and(|value| !value.contains(quotes)));
        name.replace('_', "-") + rest
    });
    lines.collect()
}

/// Replaces the hyphens of all names in a table, which are then those of Rust's fields. A second spelling of a name is
/// stored under both spellings, which its reader reports as an unknown name, instead of hiding the first.
pub fn underscored(table: Table) -> Table {
    let (mut result, mut spellings) = (Table::new(), HashMap::new());
    for (name, value) in table {
        let value = match value {
            Value::Table(table) => underscored(table).into(),
            value => value,
        };
        let field = name.replace('-', "_");
        let first = spellings.insert(field.clone(), name.clone());
        result.insert(first.map_or(field, |first| format!("{first} and {name}")), value);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_spelt_with_hyphens() {
        let table: Table = toml::toml! {
            a_b = "c_d"
            text = "first\nx_y = 1\n[g_h]\n"
            quotes = "\"\"\"\nx_y = 1"
            e_f = ["g_h"]
            [i_j.k_l]
            m_n = true
        };
        let text = hyphenated(&toml::to_string(&table).unwrap());
        let read: Table = text.parse().unwrap();
        assert_eq!(read["a-b"].as_str(), Some("c_d"));
        assert_eq!((&read["text"], &read["quotes"]), (&table["text"], &table["quotes"]), "{text}");
        assert_eq!(read["i-j"]["k-l"]["m-n"].as_bool(), Some(true));
        assert_eq!(underscored(read), table);
    }

    #[test]
    fn two_spellings_of_a_name_are_reported() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Options {
            #[allow(dead_code, reason = "only the error matters")]
            batch_size: u32,
        }
        let table: Table = "batch-size = 1\nbatch_size = 2".parse().unwrap();
        let error = underscored(table).try_into::<Options>().unwrap_err().to_string();
        assert!(error.contains("unknown field `batch-size and batch_size`"), "{error}");
    }
}
