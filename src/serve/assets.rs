//! The files of the pages, embedded in the program.

/// A file of a page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The name in `/assets/NAME`.
    pub name: &'static str,
    pub content: &'static [u8],
}

/// Lists files of `page/`, and the theme that the pages share with reports.
macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        &[
            $(Asset { name: $name, content: include_bytes!(concat!("page/", $name)) },)*
            Asset { name: "theme.css", content: include_bytes!("../report/page/theme.css") },
        ]
    };
}

/// All files in `/assets/`.
const ASSETS: &[Asset] = assets![
    "api.js",
    "dom.js",
    "draw.js",
    "icon.svg",
    "inside.js",
    "live.js",
    "models.js",
    "page.css",
    "surface.js",
];

/// The drawing page.
pub const INDEX: &str = include_str!("page/index.html");

/// The page of a live run.
pub const LIVE: &str = include_str!("page/live.html");

/// The asset of this name.
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    /// The media type, by the name's extension.
    pub fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages and their files as text.
    fn texts() -> Vec<&'static str> {
        let files = ASSETS.iter().map(|asset| std::str::from_utf8(asset.content).unwrap());
        [INDEX, LIVE].into_iter().chain(files).collect()
    }

    #[test]
    fn the_files_that_pages_and_modules_name_are_embedded_and_no_others() {
        let texts = texts();
        let quoted = texts.iter().flat_map(|text| text.split(['"', '\'']));
        let mut named: Vec<&str> = quoted
            .filter_map(|name| name.strip_prefix("/assets/").or_else(|| name.strip_prefix("./")))
            .collect();
        named.sort_unstable();
        named.dedup();
        let mut embedded: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        embedded.sort_unstable();
        assert_eq!(named, embedded);
    }

    #[test]
    fn pages_have_no_inline_scripts_or_styles_and_load_nothing_from_elsewhere() {
        for page in [INDEX, LIVE] {
            assert!(!page.contains("style=") && !page.contains("<style"), "{page}");
            let modules = page.matches("<script type=\"module\" src=\"/assets/").count();
            assert_eq!(page.matches("<script").count(), modules, "{page}");
        }
        for text in texts() {
            let without_namespace = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!without_namespace.contains("://"), "{text}");
        }
    }
}
