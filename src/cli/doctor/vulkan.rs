//! Vulkan's loader and the drivers that it finds. Its documentation (LoaderDriverInterface.md) says where: the manifests
//! `icd.d/*.json` in several folders, or those that an environment variable names.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::environment::Home;
use crate::files::read_text;

/// Libraries of drivers, and what is installed for Vulkan on Linux.
#[derive(Debug, Serialize)]
pub struct Vulkan {
    /// The loaders and drivers that were loaded to list the adapters, on Linux.
    pub libraries: Vec<LoadedLibrary>,
    pub manifests: Vec<Manifest>,
}

/// A library in this process. Its file name usually ends in its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedLibrary(pub String);

/// A file that names a driver for Vulkan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// With the home folder as `~`.
    pub path: String,
    /// The driver's library, as the file names it.
    pub library: Option<String>,
    /// The version of Vulkan that the driver supports.
    pub api_version: Option<String>,
    /// What is wrong with it.
    pub fault: Option<String>,
    /// The environment variable that names it, if one does.
    pub named_by: Option<&'static str>,
}

/// The variables that replace the folders; the loader uses the first that is set.
const REPLACING: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// The beginnings of the names of loaders and drivers.
const LIBRARIES: [&str; 7] = [
    "libvulkan",
    "libEGL",
    "libGLX_nvidia",
    "libnvidia-glcore",
    "libnvidia-vulkan",
    "libgallium",
    "swrast_dri",
];

impl LoadedLibrary {
    /// Call it while adapters are alive, which keep their drivers loaded.
    pub fn all(home: &Home) -> Vec<Self> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Self::in_maps(&maps).map(|path| Self(home.hide(path))).collect()
    }

    /// The files in the text of `/proc/PID/maps`, each once.
    fn in_maps(maps: &str) -> impl Iterator<Item = &str> {
        let paths: BTreeSet<_> = maps
            .lines()
            .filter_map(|line| line.find('/').map(|start| &line[start..]))
            .filter(|path| {
                let name = path.rsplit('/').next().unwrap_or_default();
                LIBRARIES.iter().any(|library| name.starts_with(library))
            })
            .collect();
        paths.into_iter()
    }

    /// Whether this is Vulkan's loader.
    pub fn is_loader(&self) -> bool {
        self.0.rsplit('/').next().is_some_and(|name| name.starts_with("libvulkan.so"))
    }
}

impl Manifest {
    /// The manifests that the loader reads on Linux; none elsewhere.
    pub fn all(home: &Home) -> Vec<Self> {
        if !cfg!(target_os = "linux") {
            return Vec::new();
        }
        let files = files(|name| env::var_os(name), env::home_dir());
        files.into_iter().map(|(path, named_by)| Self::read(&path, named_by, home)).collect()
    }

    fn read(path: &Path, named_by: Option<&'static str>, home: &Home) -> Self {
        let manifest =
            Self { path: home.show(path), library: None, api_version: None, fault: None, named_by };
        let faulty = |fault: String| Self { fault: Some(fault), ..manifest.clone() };
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return faulty("does not exist".to_owned());
            }
            Err(error) => return faulty(format!("cannot be read: {error}")),
        };
        let Ok(json) = serde_json::from_str::<Value>(&text) else { return faulty("is not JSON".to_owned()) };
        let field = |name: &str| Some(json.get("ICD")?.get(name)?.as_str()?.to_owned());
        let Some(library) = field("library_path") else { return faulty("names no library".to_owned()) };
        // A name without a folder is found by the system's linker.
        let is_missing =
            library.contains('/') && !path.parent().unwrap_or(Path::new("")).join(&library).exists();
        let fault = is_missing.then(|| format!("names {}, which does not exist", home.hide(&library)));
        Self { library: Some(home.hide(&library)), api_version: field("api_version"), fault, ..manifest }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The manifests' paths, and the variable that names each.
fn files(
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> Vec<(PathBuf, Option<&'static str>)> {
    let paths = |name: &str| -> Option<Vec<PathBuf>> {
        let value = variable(name).filter(|value| !value.is_empty())?;
        Some(env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect())
    };
    if let Some((name, paths)) = REPLACING.iter().find_map(|&name| Some((name, paths(name)?))) {
        return paths.iter().flat_map(|path| manifests_at(path)).map(|file| (file, Some(name))).collect();
    }
    const ADDING: &str = "VK_ADD_DRIVER_FILES";
    let added = paths(ADDING).unwrap_or_default();
    let mut found: Vec<_> =
        added.iter().flat_map(|path| manifests_at(path)).map(|file| (file, Some(ADDING))).collect();

    let of_home = |name: &str, folder: &str| {
        let set = paths(name).and_then(|paths| paths.into_iter().next());
        set.or_else(|| Some(home.as_ref()?.join(folder)))
    };
    let system = |name: &str, default: &[&str]| {
        paths(name).unwrap_or_else(|| default.iter().map(PathBuf::from).collect())
    };
    let mut folders: Vec<PathBuf> = of_home("XDG_CONFIG_HOME", ".config").into_iter().collect();
    folders.extend(system("XDG_CONFIG_DIRS", &["/etc/xdg"]));
    folders.extend(["/usr/local/etc", "/etc"].map(PathBuf::from));
    folders.extend(of_home("XDG_DATA_HOME", ".local/share"));
    folders.extend(system("XDG_DATA_DIRS", &["/usr/local/share", "/usr/share"]));
    let mut seen = BTreeSet::new();
    for folder in folders.into_iter().map(|folder| folder.join("vulkan/icd.d")) {
        if seen.insert(folder.clone()) && folder.is_dir() {
            found.extend(manifests_at(&folder).into_iter().map(|file| (file, None)));
        }
    }
    found
}

/// The path itself, or the manifests in a folder.
fn manifests_at(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        entries.filter(|file| file.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::of_user()
    }

    #[test]
    fn loaded_drivers_are_found_in_the_maps_of_a_process() {
        let maps = "\
7f1-7f2 r-xp 00001000 08:01 12 /usr/lib/x86_64-linux-gnu/libvulkan.so.1.3.239
7f2-7f3 r--p 00002000 08:01 12 /usr/lib/x86_64-linux-gnu/libvulkan.so.1.3.239
7f3-7f4 r-xp 00000000 08:01 13 /usr/lib/x86_64-linux-gnu/libvulkan_lvp.so
7f5-7f6 r-xp 00000000 08:01 14 /usr/lib/x86_64-linux-gnu/libc.so.6
7f7-7f8 rw-p 00000000 00:00 0 [heap]
";
        let found: Vec<_> = LoadedLibrary::in_maps(maps).collect();
        let folder = "/usr/lib/x86_64-linux-gnu";
        assert_eq!(found, [format!("{folder}/libvulkan.so.1.3.239"), format!("{folder}/libvulkan_lvp.so")]);
        assert!(LoadedLibrary(found[0].to_owned()).is_loader());
        assert!(!LoadedLibrary(found[1].to_owned()).is_loader());
    }

    #[test]
    fn manifests_are_those_of_the_first_variable_or_of_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        let icds = folder.path().join("share/vulkan/icd.d");
        fs::create_dir_all(&icds).unwrap();
        for name in ["b.json", "a.json", "readme.txt"] {
            fs::write(icds.join(name), "{}").unwrap();
        }
        let of = |set: &[(&str, &str)]| {
            let set: Vec<_> = set
                .iter()
                .map(|(name, value)| (*name, value.replace("DIR", folder.path().to_str().unwrap())))
                .collect();
            let found = files(
                |name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into()),
                None,
            );
            let is_here = |path: &Path| path.starts_with(folder.path()) || path.starts_with("/nowhere");
            found
                .into_iter()
                .filter(|(path, _)| is_here(path))
                .map(|(path, named_by)| (path.file_name().unwrap().to_str().unwrap().to_owned(), named_by))
                .collect::<Vec<_>>()
        };
        let (a, b) = ("a.json".to_owned(), "b.json".to_owned());
        assert_eq!(of(&[("XDG_DATA_DIRS", "DIR/share:DIR/share")]), [(a.clone(), None), (b.clone(), None)]);
        let named = "VK_ICD_FILENAMES";
        let expected = [("x.json".to_owned(), Some(named)), (b, Some(named))];
        let set = [(named, "/nowhere/x.json:DIR/share/vulkan/icd.d/b.json"), ("XDG_DATA_DIRS", "DIR/share")];
        assert_eq!(of(&set), expected);
        let replaced = [("VK_DRIVER_FILES", "/nowhere/y.json"), set[0]];
        assert_eq!(of(&replaced), [("y.json".to_owned(), Some("VK_DRIVER_FILES"))]);
    }

    #[test]
    fn a_manifest_whose_library_is_missing_is_faulty() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("driver.json");
            fs::write(&path, text).unwrap();
            Manifest::read(&path, None, &home())
        };
        let manifest = read(r#"{"ICD": {"library_path": "libvulkan_lvp.so", "api_version": "1.3.230"}}"#);
        assert_eq!((manifest.fault, manifest.api_version.as_deref()), (None, Some("1.3.230")));
        let manifest = read(r#"{"ICD": {"library_path": "/nowhere/libx.so"}}"#);
        assert_eq!(manifest.fault.as_deref(), Some("names /nowhere/libx.so, which does not exist"));
        assert_eq!(read("{}").fault.as_deref(), Some("names no library"));
        assert_eq!(read("icd").fault.as_deref(), Some("is not JSON"));
        let missing = Manifest::read(&folder.path().join("none.json"), None, &home());
        assert_eq!(missing.fault.as_deref(), Some("does not exist"));
    }
}
