//! Tells the program which commit it was built from: `LENET_GPU_COMMIT`, empty where that is unknown
//! (no git, or a source archive), and `LENET_GPU_VERSION`, the package's version with the commit.

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

fn commit() -> Option<String> {
    // A source archive may lie inside somebody else's repository, whose commit says nothing of it.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    // HEAD changes with a checkout, its log with a commit too. A path that does not exist would make
    // every build start anew.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

/// What git prints, or nothing where git is missing or fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
