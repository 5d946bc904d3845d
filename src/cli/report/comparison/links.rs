//! Links from a page to the files of runs.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use crate::report::page::Html;

/// The name of a run, as a link to its own report if that can be reached by a relative path from the folder of the page.
pub fn link(name: &str, report: &Path, folder: Option<&Path>) -> Html {
    let name = Html::text(name);
    match folder.and_then(|folder| relative(folder, report)) {
        Some(path) => Html::trusted(format!("<a href=\"{}\">{name}</a>", url(&path))),
        None => name,
    }
}

/// The path from a folder to a file that exists. Both are on the same file system tree.
fn relative(folder: &Path, file: &Path) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let (folder, file) = (folder.canonicalize().ok()?, file.canonicalize().ok()?);
    let shared =
        folder.components().zip(file.components()).take_while(|(folder, file)| folder == file).count();
    // Drives and network shares of Windows have no path between them.
    let is_root =
        |path: &Path| path.components().take(shared).all(|part| matches!(part, Component::Prefix(_)));
    if shared == 0 || is_root(&folder) {
        return None;
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Some(up.chain(file.components().skip(shared)).collect())
}

/// A relative path as a URL: special characters are percent-encoded, so that none of them starts a scheme, a query or a
/// fragment.
fn url(path: &Path) -> String {
    let mut url = String::from(".");
    for part in path.components() {
        url.push('/');
        for byte in part.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => url.push(char::from(*byte)),
                byte => write!(url, "%{byte:02X}").expect("writing to a string cannot fail"),
            }
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_linked_from_beside_and_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("runs/a \"b\":?#é/report.html");
        std::fs::create_dir_all(report.parent().unwrap()).unwrap();
        std::fs::create_dir(folder.path().join("pages")).unwrap();
        let html = |from: Option<&str>| {
            let from = from.map(|from| folder.path().join(from));
            link("<a>", &report, from.as_deref()).into_string()
        };
        assert_eq!(html(Some("runs")), "&lt;a&gt;", "a report that does not exist");
        std::fs::write(&report, "").unwrap();
        assert_eq!(html(None), "&lt;a&gt;");
        let expected = "a%20%22b%22%3A%3F%23%C3%A9/report.html\">&lt;a&gt;</a>";
        assert_eq!(html(Some("runs")), format!("<a href=\"./{expected}"));
        assert_eq!(html(Some("pages")), format!("<a href=\"./../runs/{expected}"));
    }
}
