//! Mutators of texts. libFuzzer's own mutations rarely leave a text valid, so half of the mutations change a value in the
//! parsed text instead.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value, json};

use crate::Random;

/// Mutates lines of JSON, such as a single one.
pub fn mutate_json(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    mutate_text(data, size, max_size, seed, |text, random| {
        let mut lines: Vec<&str> = text.split('\n').collect();
        let index = random.below(lines.len());
        let mut value = serde_json::from_str(lines[index]).ok()?;
        change(&mut value, random);
        let line = value.to_string();
        lines[index] = &line;
        Some(lines.join("\n"))
    })
}

/// Mutates TOML.
pub fn mutate_toml(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    mutate_text(data, size, max_size, seed, |text, random| {
        let table: toml::Table = text.parse().ok()?;
        let mut value = serde_json::to_value(table).ok()?;
        change(&mut value, random);
        let table: toml::Table = serde_json::from_value(value).ok()?;
        toml::to_string(&table).ok()
    })
}

/// Mutates a text, which ends before the first zero byte, by `edit` or in libFuzzer's way.
pub fn mutate_text(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    edit: impl Fn(&str, &mut Random) -> Option<String>,
) -> usize {
    let mut random = Random::new(seed);
    let end = data[..size].iter().position(|&byte| byte == 0).unwrap_or(size);
    let edited = match random.once_in(2) {
        true => std::str::from_utf8(&data[..end]).ok().and_then(|text| edit(text, &mut random)),
        false => None,
    };
    match edited {
        Some(text) if text.len() + (size - end) <= max_size => {
            let rest = data[end..size].to_vec();
            let bytes = [text.as_bytes(), &rest].concat();
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

/// Texts that a program may mishandle: terminal sequences, separators, very long ones.
const TEXTS: [&str; 12] = [
    "",
    "\u{1b}[31m",
    "a\nb",
    "a\r",
    "\u{7}",
    "\u{0}",
    "\u{202e}",
    "../../x",
    "*/\n#include",
    "nan",
    "mnist",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ",
];

/// Changes one value, at a random place.
fn change(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(entries) if !entries.is_empty() && !random.once_in(4) => {
            let index = random.below(entries.len());
            change(entries.values_mut().nth(index).expect("an index below the length"), random);
        }
        Value::Array(items) if !items.is_empty() && !random.once_in(4) => {
            let index = random.below(items.len());
            change(&mut items[index], random);
        }
        Value::Object(entries) => change_entries(entries, random),
        Value::Array(items) => change_items(items, random),
        other => *other = scalar(other, random),
    }
}

fn change_entries(entries: &mut Map<String, Value>, random: &mut Random) {
    let name = |random: &mut Random| entries.keys().nth(random.below(entries.len().max(1))).cloned();
    let (first, second) = (name(random), name(random));
    match (random.below(4), first, second) {
        (0, Some(name), _) => drop(entries.remove(&name)),
        (1, Some(name), _) => {
            let value = entries.remove(&name).expect("the name of an entry");
            entries.insert(format!("{name}{}", random.choose(&TEXTS)), value);
        }
        (2, Some(from), Some(to)) => {
            let value = entries[&from].clone();
            entries.insert(to, value);
        }
        _ => drop(entries.insert((*random.choose(&TEXTS)).to_owned(), scalar(&Value::Null, random))),
    }
}

fn change_items(items: &mut Vec<Value>, random: &mut Random) {
    let index = random.below(items.len().max(1));
    match random.below(4) {
        0 if !items.is_empty() => drop(items.remove(index)),
        1 if !items.is_empty() => items.push(items[index].clone()),
        2 => items.clear(),
        _ => items.push(scalar(&Value::Null, random)),
    }
}

/// A value in place of `old`: near it, or an extreme one.
fn scalar(old: &Value, random: &mut Random) -> Value {
    if let (Some(number), false) = (old.as_i64(), random.once_in(3)) {
        let near = [number.wrapping_add(1), number.wrapping_sub(1), number.wrapping_mul(2), number / 2];
        return json!(random.choose(&near));
    }
    if let (Some(number), false) = (old.as_f64(), random.once_in(3)) {
        return json!(random.choose(&[number + 1.0, -number, number * 1e3, number / 3.0, number.round()]));
    }
    match random.below(4) {
        0 => json!(random.choose(&TEXTS)),
        1 => json!(random.choose(&[0, 1, -1, i64::MAX, i64::MIN, 1 << 53, 1 << 32, u32::MAX.into(), 65_536])),
        2 => json!(random.choose(&[0.5, -0.0, 1e-320, 1e300, 3.5e38, f64::MAX, -1e18, 100.0, 1.5])),
        _ => random
            .choose(&[json!(null), json!(true), json!(u64::MAX), json!([]), json!({}), json!(2)])
            .clone(),
    }
}
