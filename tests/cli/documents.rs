//! The documents describe what exists: files, tests and lengths.

use std::fs;
use std::path::{Path, PathBuf};

/// All hand-written documents. Reports under `benches/results/` are written by the program.
const DOCUMENTS: [&str; 9] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benches/results/README.md",
    "data/README.md",
    "docs/guide.md",
    "docs/paper.md",
    "docs/reproducibility.md",
    "tests/peers/README.md",
];

/// More than this is reference material, which belongs in `docs/`.
const MAX_README_LINES: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The targets of Markdown links and of the `src` of images, without web addresses and anchors.
fn linked_files(document: &str) -> Vec<&str> {
    let markdown = document.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let images = document.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let targets = markdown.chain(images).map(|target| target.split('#').next().unwrap());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => source_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn every_linked_file_exists() {
    for name in DOCUMENTS {
        let folder = Path::new(name).parent().unwrap();
        for file in linked_files(&read(name)) {
            assert!(root().join(folder).join(file).exists(), "{name} links to {file}, which does not exist");
        }
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() <= MAX_README_LINES);
}

#[test]
fn every_error_of_the_papers_listings_has_a_test() {
    let document = read("docs/paper.md");
    let table = document.split("| tested by |").nth(1).unwrap();
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 16);
    let tests: String =
        source_files(&root().join("tests")).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for row in rows {
        let last_cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<_> = last_cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(
                tests.contains(&format!("fn {name}(")),
                "docs/paper.md names {name}, which is not a test"
            );
        }
    }
}
