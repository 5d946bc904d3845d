//! Names in exported files, separated by zero bytes, that of the data set first. No name leaves its comment or its string in
//! the C header.

#![no_main]

use lenet_gpu::export::{Format, Input, to_bytes};
use lenet_gpu::model::{LeNet5, Model, ModelInfo, ParameterTable};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    let mut names = text.split('\0').map(str::to_owned);
    let (dataset, classes) = (names.next(), names.take(20).collect::<Vec<_>>());
    if classes.len() < 2 {
        return Corpus::Reject;
    }
    let network = LeNet5::new(1, classes.len());
    let parameters = vec![0.0; ParameterTable::new(&network).arena_len()];
    let info = ModelInfo { dataset, class_names: Some(classes.clone()), ..ModelInfo::default() };
    let model = Model { network, parameters, info };

    assert!(!to_bytes(&model, Format::Onnx, Input::Normalised).is_empty());
    let header = String::from_utf8(to_bytes(&model, Format::CHeader, Input::Normalised)).expect("UTF-8");
    assert!(!header.contains(|letter: char| letter.is_control() && letter != '\n'));
    assert_eq!(strings(&header), classes.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
    Corpus::Keep
});

/// The values of the string literals in C code that has no character literals.
fn strings(code: &str) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(['"', '/']) {
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = &comment[comment.find("*/").expect("the end of the comment") + 2..];
        } else if let Some(literal) = rest.strip_prefix('"') {
            let (literal, after) = literal.split_once('"').expect("the end of the string");
            strings.push(unescape(literal));
            rest = after;
        } else {
            rest = &rest[1..];
        }
    }
    strings
}

/// The bytes of a literal whose escapes are all of three octal digits.
fn unescape(literal: &str) -> Vec<u8> {
    assert!(literal.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'?'), "{literal}");
    let mut parts = literal.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, text) = part.split_at(3);
        bytes.push(u8::from_str_radix(digits, 8).expect("an octal escape"));
        bytes.extend(text.as_bytes());
    }
    bytes
}
