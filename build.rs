//! Lists the files in `shaders/` for `src/gpu/shader.rs`, so that a new file needs no entry in a table.
//!
//! Sets two environment variables for the build: `LENET_GPU_COMMIT`, the commit that the program is built from, empty if
//! unknown (no git, or a source archive), and `LENET_GPU_VERSION`, the package's version with the commit.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env!("CARGO_PKG_VERSION");
    let (commit, version) = match commit() {
        Some(commit) => (commit.clone(), format!("{version} ({commit})")),
        None => (String::new(), version.to_owned()),
    };
    println!("cargo::rustc-env=LENET_GPU_COMMIT={commit}");
    println!("cargo::rustc-env=LENET_GPU_VERSION={version}");

    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    println!("cargo::rerun-if-changed={}", shaders.display());
    let output = Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("shaders.rs");
    fs::write(output, shader_table(&shaders)).expect("OUT_DIR is writable");
}

/// Returns the Rust source of `FILES`: the path of each shader, relative to `root` and without its extension, and its text.
fn shader_table(root: &Path) -> String {
    let mut files = wgsl_files(root);
    files.sort();
    let mut table = String::from("pub const FILES: &[(&str, &str)] = &[\n");
    for file in files {
        let path = file.strip_prefix(root).expect("the file is below the root").with_extension("");
        let path = path.to_str().expect("shaders have ASCII names").replace('\\', "/");
        // Writing to a String cannot fail.
        let _ = writeln!(table, "    ({path:?}, include_str!({:?})),", file.display().to_string());
    }
    table + "];\n"
}

/// Returns every `.wgsl` file below a folder.
fn wgsl_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("shaders/ is part of the package");
    let paths = entries.map(|entry| entry.expect("shaders/ can be listed").path());
    paths
        .flat_map(|path| if path.is_dir() { wgsl_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"))
        .collect()
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
