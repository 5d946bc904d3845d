//! File name patterns, for shells that do not expand them, and for quoted ones.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use glob::{MatchOptions, Pattern};

/// As in shells, a leading dot must be typed.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The files and folders that a pattern matches, sorted by name: `*`, `?` and `[...]` in names, and `**` for any folders.
/// Names that are not Unicode do not match. (`glob::glob` panics where there are such names.)
pub fn expand(pattern: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        let name = match component {
            Component::Normal(name) => name.to_string_lossy(),
            other => {
                found.iter_mut().for_each(|path| path.push(other));
                continue;
            }
        };
        let mut next = Vec::new();
        if name == "**" {
            found.iter().try_for_each(|path| add_folders(path, &mut next))?;
        } else if name.contains(['*', '?', '[']) {
            let pattern = Pattern::new(&name)?;
            for path in &found {
                next.extend(entries(path, |name| pattern.matches_with(name, OPTIONS))?);
            }
        } else {
            next.extend(
                found.iter().map(|path| path.join(&*name)).filter(|path| path.symlink_metadata().is_ok()),
            );
        }
        found = next;
    }
    Ok(found)
}

/// A folder, and all folders within it except for hidden ones and links.
fn add_folders(path: &Path, folders: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    folders.push(path.to_owned());
    for entry in entries(path, |name| !name.starts_with('.'))? {
        if entry.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            add_folders(&entry, folders)?;
        }
    }
    Ok(())
}

/// What a folder contains whose name is wanted, sorted; nothing if this is no folder.
fn entries(folder: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let listed = if folder == Path::new("") { Path::new(".") } else { folder };
    if !listed.is_dir() {
        return Ok(Vec::new());
    }
    let cannot_read = || format!("cannot read the folder {}", listed.display());
    let entries = fs::read_dir(listed).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let names = entries.with_context(cannot_read)?.into_iter().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| OsStr::to_str(name).is_some_and(&wanted)).collect();
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_and_folders_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.png", "b/1.png", "a/1.png", "a/deep/1.jpg", ".hidden/1.png", "a/.1.png"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| {
            let found = expand(&format!("{}/{pattern}", folder.path().display())).unwrap();
            let names = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap());
            names.map(|name| name.replace('\\', "/")).collect::<Vec<_>>()
        };
        assert_eq!(found("*/1.png"), ["a/1.png", "b/1.png"]);
        assert_eq!(found("b/*.png"), ["b/1.png", "b/2.png"]);
        assert_eq!(found("**/1.*"), ["a/1.png", "a/deep/1.jpg", "b/1.png"]);
        assert_eq!(found("[ab]"), ["a", "b"]);
        assert_eq!(found("a/1.png/*"), [""; 0]);
        assert_eq!(found("a/.?.png"), ["a/.1.png"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_unicode_match_nothing() {
        use std::os::unix::ffi::OsStrExt;

        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(OsStr::from_bytes(b"\xff"))).unwrap();
        assert!(expand(&format!("{}/*", folder.path().display())).unwrap().is_empty());
    }
}
