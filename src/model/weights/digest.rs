//! The digest that a model file carries of itself: the hexadecimal SHA-256 of the metadata entry's text (without the
//! digest) and of every tensor's name, type, shape and bytes.
//!
//! The digest is the first field of the entry, `{"digest":"…",`; the text it covers is the rest, `{"version":…}`. It
//! does not depend on the order of the tensors or of their offsets, so another program may rewrite the file if it keeps
//! the metadata and the tensors.

use safetensors::Dtype;
use sha2::{Digest, Sha256};

use crate::hash;

/// How an entry with a digest begins.
pub(super) const START: &str = r#"{"digest":""#;

/// The number of hexadecimal digits.
const DIGITS: usize = 64;

/// What separates the digest from the next field.
const END: &str = r#"","#;

/// A tensor as the digest sees it.
pub(super) struct Content<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [usize],
    pub bytes: &'a [u8],
}

/// Computes the digest. The tensors may be in any order.
pub(super) fn of(text: &str, mut tensors: Vec<Content>) -> String {
    tensors.sort_unstable_by_key(|tensor| tensor.name);
    let mut hash = Sha256::new();
    // Every part is preceded by its length, so that no two files have the same sequence of bytes.
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(text.as_bytes());
    for Content { name, dtype, shape, bytes } in tensors {
        add(name.as_bytes());
        add(dtype.to_string().as_bytes());
        add(&shape.iter().flat_map(|&side| (side as u64).to_le_bytes()).collect::<Vec<u8>>());
        add(bytes);
    }
    hash::hex(&hash.finalize())
}

/// Inserts a digest into the text that it covers, a JSON object with fields.
pub(super) fn insert(digest: &str, text: &str) -> String {
    let fields = text.strip_prefix('{').expect("the text is a JSON object");
    format!("{START}{digest}{END}{fields}")
}

/// Splits an entry into its digest and the text that the digest covers; `None` if it does not begin with a digest.
pub(super) fn split(entry: &str) -> Option<(&str, String)> {
    let (digest, rest) = entry.strip_prefix(START)?.split_at_checked(DIGITS)?;
    Some((digest, format!("{{{}", rest.strip_prefix(END)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content<'a>(name: &'a str, shape: &'a [usize], bytes: &'a [u8]) -> Content<'a> {
        Content { name, dtype: Dtype::U8, shape, bytes }
    }

    #[test]
    fn a_digest_is_the_sha_256_of_the_parts_with_their_lengths() {
        // printf '\x02\0\0\0\0\0\0\0{}\x01\0\0\0\0\0\0\0a\x02\0\0\0\0\0\0\0U8\x08\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\
        // \x01\0\0\0\0\0\0\0z' | sha256sum
        let expected = "af09046e9e65f4d8ebcec75e49b74dd77e5588eadf6a3220c844c5b917298bb4";
        assert_eq!(of("{}", vec![content("a", &[1], b"z")]), expected);
    }

    #[test]
    fn the_order_of_tensors_does_not_matter_and_everything_else_does() {
        let [a, b] = [|| content("a", &[1], b"x"), || content("b", &[1], b"y")];
        let whole = of("{}", vec![a(), b()]);
        assert_eq!(of("{}", vec![b(), a()]), whole);
        for other in [
            of("{ }", vec![a(), b()]),
            of("{}", vec![a()]),
            of("{}", vec![content("a", &[1], b"y"), content("b", &[1], b"x")]),
            of("{}", vec![content("a", &[1, 1], b"x"), b()]),
            of("{}", vec![Content { dtype: Dtype::I8, ..a() }, b()]),
            of("{}", vec![content("c", &[1], b"x"), b()]),
        ] {
            assert_ne!(other, whole);
        }
    }

    #[test]
    fn a_digest_is_split_from_the_text_that_it_covers() {
        let digest = of("", Vec::new());
        let entry = insert(&digest, r#"{"version":2}"#);
        assert_eq!(split(&entry), Some((digest.as_str(), r#"{"version":2}"#.to_owned())));
        for other in [r#"{"version":1}"#, r#"{"digest":"é"#, &entry[..50], &entry.replace("\",\"", "\"}\"")]
        {
            assert_eq!(split(other), None, "{other}");
        }
    }
}
