//! The cache folder: for data that can be downloaded or computed again.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that overrides the system's folder.
pub const VARIABLE: &str = "LENET_GPU_CACHE";

/// The cache folder, or `None` if the system has none. It need not exist.
pub fn folder() -> Option<PathBuf> {
    find(|name| env::var_os(name), env::home_dir())
}

fn find(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG base directory specification requires that relative paths be ignored; other systems are treated in the same way.
    let system = |name| path(name).filter(|path| path.is_absolute());
    let home =
        |folder: &str| Some(home.as_deref().filter(|home| home.is_absolute())?.join(Path::new(folder)));
    path(VARIABLE).or_else(|| {
        let caches = if cfg!(windows) {
            system("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home("Library/Caches")
        } else {
            system("XDG_CACHE_HOME").or_else(|| home(".cache"))
        };
        Some(caches?.join("lenet-gpu"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_variable_precedes_the_system_folder_and_the_home_folder() {
        let found = |set: &[(&str, &str)], home: Option<&str>| {
            let variable = |name: &str| Some(set.iter().find(|(other, _)| *other == name)?.1.into());
            find(variable, home.map(PathBuf::from))
        };
        let (ours, xdg) = ((VARIABLE, "/data"), ("XDG_CACHE_HOME", "/xdg"));
        assert_eq!(found(&[ours, xdg], Some("/home/a")), Some("/data".into()));
        assert_eq!(found(&[xdg], Some("/home/a")), Some("/xdg/lenet-gpu".into()));
        assert_eq!(found(&[], Some("/home/a")), Some("/home/a/.cache/lenet-gpu".into()));
        assert_eq!(found(&[("XDG_CACHE_HOME", "relative"), (VARIABLE, "")], None), None);
    }
}
