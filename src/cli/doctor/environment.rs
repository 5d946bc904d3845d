//! Environment variables that drivers, wgpu and this program read, and the user's home folder, which is not shown.

use std::env;
use std::path::Path;

use serde::Serialize;

/// An environment variable that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    pub name: String,
    /// With the home folder as `~`.
    pub value: String,
}

/// The beginnings of names.
const PREFIXES: [&str; 16] = [
    "WGPU_", "VK_", "MESA_", "LIBGL_", "GALLIUM_", "LP_", "EGL_", "__EGL_", "__GLX_", "__NV_", "__GL_",
    "NVIDIA_", "RADV_", "INTEL_", "LENET_", "RAYON_",
];

/// Whole names.
const NAMES: [&str; 15] = [
    "CUDA_VISIBLE_DEVICES",
    "DRI_PRIME",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "NO_COLOR",
    "COLORTERM",
    "TERM",
    "RUST_LOG",
    "RUST_BACKTRACE",
];

/// The relevant variables that are set, in the order of their names. Values that are not UTF-8 have U+FFFD.
pub fn variables(home: &Home) -> Vec<Variable> {
    let set = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    relevant(set, home)
}

fn relevant(set: impl Iterator<Item = (String, String)>, home: &Home) -> Vec<Variable> {
    // The program sets this one itself if it is not set.
    let is_own = |name: &str, value: &str| name == "XDG_RUNTIME_DIR" && value == "/dev/null";
    let is_relevant =
        |name: &str| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let mut found: Vec<_> = set
        .filter(|(name, value)| is_relevant(name) && !is_own(name, value))
        .map(|(name, value)| Variable { name, value: home.hide(&value) })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The home folder of the user, whose name it usually contains.
#[derive(Debug)]
pub struct Home(Option<String>);

impl Home {
    pub fn of_user() -> Self {
        Self::new(env::home_dir().map(|home| home.display().to_string()))
    }

    fn new(home: Option<String>) -> Self {
        let home = home.map(|home| home.trim_end_matches(['/', '\\']).to_owned());
        Self(home.filter(|home| Path::new(home).is_absolute() && home.len() > 1))
    }

    /// Replaces the home folder by `~` at the start of each path in a text.
    pub fn hide(&self, text: &str) -> String {
        let Some(home) = &self.0 else { return text.to_owned() };
        let mut shown = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(home.as_str()) {
            let (before, found) = rest.split_at(start);
            let after = &found[home.len()..];
            let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
            let is_whole = !after.starts_with(is_part) && !before.ends_with(|c| is_part(c) || c == '/');
            shown += before;
            shown += if is_whole { "~" } else { home };
            rest = after;
        }
        shown + rest
    }

    /// A path with the home folder as `~`.
    pub fn show(&self, path: &Path) -> String {
        self.hide(&path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_is_hidden_where_a_path_begins_with_it() {
        let home = Home::new(Some("/home/ada/".to_owned()));
        for (text, shown) in [
            ("/home/ada", "~"),
            ("/home/ada/.cache/lenet-gpu", "~/.cache/lenet-gpu"),
            ("/usr/share:/home/ada/share:/home/ada", "/usr/share:~/share:~"),
            ("/home/adam/x", "/home/adam/x"),
            ("/mnt/home/ada/x", "/mnt/home/ada/x"),
            ("file:///home/ada/x", "file:///home/ada/x"),
            ("", ""),
        ] {
            assert_eq!(home.hide(text), shown);
        }
        assert_eq!(Home::new(Some("/".to_owned())).hide("/etc/x"), "/etc/x");
        assert_eq!(Home::new(None).hide("/etc/x"), "/etc/x");
    }

    #[test]
    fn only_relevant_variables_are_shown() {
        let set = [
            ("VK_ICD_FILENAMES", "/home/ada/icd.json"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("HTTPS_PROXY", "http://user:password@proxy"),
            ("USER", "ada"),
            ("HOME", "/home/ada"),
            ("RAYON_NUM_THREADS", "1"),
            ("XDG_RUNTIME_DIR", "/dev/null"),
        ];
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let found = relevant(set, &Home::new(Some("/home/ada".to_owned())));
        let found: Vec<_> =
            found.iter().map(|variable| (variable.name.as_str(), variable.value.as_str())).collect();
        assert_eq!(found, [("RAYON_NUM_THREADS", "1"), ("VK_ICD_FILENAMES", "~/icd.json")]);
    }
}
