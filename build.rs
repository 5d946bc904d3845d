//! Sets two environment variables for the build: `LENET_GPU_COMMIT`, the commit that the program is built from, empty if
//! unknown (no git, or a source archive), and `LENET_GPU_VERSION`, the package's version with the commit.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env!("CARGO_PKG_VERSION");
    let (commit, version) = match commit() {
        Some(commit) => (commit.clone(), format!("{version} ({commit})")),
        None => (String::new(), version.to_owned()),
    };
    println!("cargo::rustc-env=LENET_GPU_COMMIT={commit}");
    println!("cargo::rustc-env=LENET_GPU_VERSION={version}");
}

/// Returns the abbreviated hash of the checked-out commit, if this is a git checkout.
fn commit() -> Option<String> {
    // A source archive may be unpacked inside another repository, whose commit would be the wrong one.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    // HEAD changes with each checkout, its log also with each commit. A path that does not exist would trigger a
    // rebuild every time.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

/// Runs git and returns its output; `None` if git is missing or fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
