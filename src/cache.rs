//! The folder for what can be had again: each system has one.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that names another folder.
pub const VARIABLE: &str = "LENET_GPU_CACHE";

/// The folder, if the system tells where to keep such things. It need not exist yet.
pub fn folder() -> Option<PathBuf> {
    find(|name| env::var_os(name), env::home_dir())
}

fn find(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG base directory specification has relative paths ignored, and so are those of others.
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
    fn the_variable_goes_before_the_system_and_the_system_before_the_home_folder() {
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
