//! Which GPU driver to install on this operating system.

/// The operating system, as far as driver advice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Debian, Ubuntu and their derivatives.
    Debian,
    /// Fedora and its derivatives.
    Fedora,
    /// Arch Linux and its derivatives.
    Arch,
    /// Any other Linux.
    OtherLinux,
    /// Windows.
    Windows,
    /// macOS.
    MacOs,
    /// Any other system.
    Other,
}

impl Platform {
    /// The operating system this program runs on.
    pub fn current() -> Self {
        if cfg!(target_os = "windows") {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else if cfg!(target_os = "linux") {
            Self::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
        } else {
            Self::Other
        }
    }

    /// The Linux distribution that the text of an `os-release` file describes, by its `ID` or its `ID_LIKE`.
    fn from_os_release(text: &str) -> Self {
        let names = text
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
            .flat_map(|names| names.trim_matches(['"', '\'']).split_whitespace());
        for name in names {
            match name {
                "debian" | "ubuntu" => return Self::Debian,
                "fedora" | "rhel" => return Self::Fedora,
                "arch" => return Self::Arch,
                _ => {}
            }
        }
        Self::OtherLinux
    }

    /// How to install a GPU driver.
    pub fn driver_advice(self) -> &'static str {
        match self {
            Self::Debian => {
                "install a driver: `sudo apt install mesa-vulkan-drivers` (AMD, Intel, and lavapipe in \
                 software), or NVIDIA's own (`sudo apt install nvidia-driver`, on Ubuntu \
                 `sudo ubuntu-drivers install`)"
            }
            Self::Fedora => {
                "install a driver: `sudo dnf install mesa-vulkan-drivers` (AMD, Intel, and lavapipe in \
                 software), or NVIDIA's own (`akmod-nvidia` from RPM Fusion)"
            }
            Self::Arch => {
                "install a driver: `sudo pacman -S vulkan-radeon` (AMD), `vulkan-intel` (Intel), \
                 `nvidia-utils` (NVIDIA) or `vulkan-swrast` (lavapipe, in software)"
            }
            Self::OtherLinux => {
                "install your GPU's Vulkan driver: Mesa (AMD, Intel, and lavapipe in software) or NVIDIA's own"
            }
            Self::Windows => {
                "install the current driver from your GPU's manufacturer (AMD, Intel or NVIDIA); it includes DX12 \
                 and Vulkan"
            }
            Self::MacOs => "use the Metal backend, which is part of macOS",
            Self::Other => "install a Vulkan driver for your GPU",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_distribution_is_recognised_by_its_id_or_its_relatives() {
        for (text, platform) in [
            ("NAME=\"Debian GNU/Linux\"\nID=debian\n", Platform::Debian),
            ("ID=pop\nID_LIKE=\"ubuntu debian\"\n", Platform::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Platform::Fedora),
            ("ID=manjaro\nID_LIKE=arch\n", Platform::Arch),
            ("ID=void\n", Platform::OtherLinux),
            ("", Platform::OtherLinux),
        ] {
            assert_eq!(Platform::from_os_release(text), platform, "{text:?}");
        }
    }

    #[test]
    fn advice_names_a_package_to_install() {
        assert!(Platform::Debian.driver_advice().contains("apt install mesa-vulkan-drivers"));
        assert!(Platform::Fedora.driver_advice().contains("dnf install mesa-vulkan-drivers"));
    }
}
