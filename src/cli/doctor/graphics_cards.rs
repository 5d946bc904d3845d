//! The graphics cards that Linux finds on the PCI bus, whether or not a driver lists them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A display controller or an accelerator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphicsCard {
    /// The manufacturer, if it is one whose GPUs this program can use.
    pub manufacturer: Option<&'static str>,
    /// PCI vendor and device, such as `10de:2330`.
    pub id: String,
    /// The kernel's driver, such as `nvidia`, `amdgpu` or `i915`; `None` if none is bound to it.
    pub kernel_driver: Option<String>,
}

/// The cards of this machine; none on other systems than Linux.
pub fn all() -> Vec<GraphicsCard> {
    in_folder(Path::new("/sys/bus/pci/devices"))
}

fn in_folder(devices: &Path) -> Vec<GraphicsCard> {
    let Ok(entries) = fs::read_dir(devices) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders.iter().filter_map(|folder| card(folder)).collect()
}

fn card(folder: &Path) -> Option<GraphicsCard> {
    let number = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
    };
    // Class 3: display controllers. Class 12: processing accelerators, as AMD's Instinct reports itself.
    if !matches!(number("class")? >> 16, 0x03 | 0x12) {
        return None;
    }
    let (vendor, device) = (number("vendor")?, number("device")?);
    let manufacturer = match vendor {
        0x10de => Some("NVIDIA"),
        0x1002 => Some("AMD"),
        0x8086 => Some("Intel"),
        _ => None,
    };
    let driver = fs::read_link(folder.join("driver")).ok();
    let kernel_driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    Some(GraphicsCard { manufacturer, id: format!("{vendor:04x}:{device:04x}"), kernel_driver })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn display_controllers_are_found_with_their_kernel_driver() {
        let folder = tempfile::tempdir().unwrap();
        for (name, class, vendor, device, driver) in [
            ("0000:00:02.0", "0x030000", "0x1a03", "0x2000", Some("ast")),
            ("0000:01:00.0", "0x030200", "0x10de", "0x2330", Some("nvidia")),
            ("0000:02:00.0", "0x020000", "0x8086", "0x1521", Some("igb")),
            ("0000:03:00.0", "0x038000", "0x1002", "0x744c", None),
        ] {
            let device_folder = folder.path().join(name);
            fs::create_dir(&device_folder).unwrap();
            for (file, text) in [("class", class), ("vendor", vendor), ("device", device)] {
                fs::write(device_folder.join(file), format!("{text}\n")).unwrap();
            }
            if let Some(driver) = driver {
                std::os::unix::fs::symlink(
                    format!("../../bus/pci/drivers/{driver}"),
                    device_folder.join("driver"),
                )
                .unwrap();
            }
        }
        let card = |manufacturer, id: &str, driver: Option<&str>| GraphicsCard {
            manufacturer,
            id: id.to_owned(),
            kernel_driver: driver.map(str::to_owned),
        };
        assert_eq!(
            in_folder(folder.path()),
            [
                card(None, "1a03:2000", Some("ast")),
                card(Some("NVIDIA"), "10de:2330", Some("nvidia")),
                card(Some("AMD"), "1002:744c", None),
            ]
        );
        assert_eq!(in_folder(&folder.path().join("none")), []);
    }
}
