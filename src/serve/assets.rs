//! The files of the pages, embedded in the program.

/// A file of a page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The name in `/assets/NAME`.
    pub name: &'static str,
    pub content: &'static [u8],
}

/// Lists files of `page/`.
macro_rules! assets {
    ($($name:literal),* $(,)?) => { &[$(Asset { name: $name, content: include_bytes!(concat!("page/", $name)) }),*] };
}

/// All files in `/assets/`.
const ASSETS: &[Asset] = assets!["api.js", "page.css"];

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
