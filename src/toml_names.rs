//! The spelling of names in TOML files. They are written with hyphens, as the options of the command line, and read with
//! hyphens or underscores.

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

/// Replaces the hyphens of all names in a table, which are then those of Rust's fields.
pub fn underscored(table: Table) -> Table {
    let entries = table.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Table(table) => underscored(table).into(),
            value => value,
        };
        (name.replace('-', "_"), value)
    });
    entries.collect()
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
}
