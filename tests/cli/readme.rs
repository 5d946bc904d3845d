//! README.md says nothing that is not there.
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The last cell of each row of the table of the listings' errors.
fn named_tests(readme: &str) -> Vec<&str> {
    let table = readme.split("| held by |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap().split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_row_of_the_listings_errors_is_held_by_a_test_that_exists() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let tests: String = ["cpu", "gpu", "data", "cli", "train", "export"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join("tests").join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let named = named_tests(&readme);
    assert!(named.len() >= 16, "{named:?}");
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "README names {name}, which is no test");
    }
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<_> = links.filter(|link| !link.contains("://") && !link.starts_with('#')).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert!(root().join(file).is_file(), "README links to {file}, which is not there");
    }
}
