//! What to do where no adapter was found: what each backend answered, and what to install on this
//! operating system.

use std::fmt::Write;

use super::{Answer, ApiBackend};

/// The operating system, as far as advice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    Fedora,
    Arch,
    OtherLinux,
    Windows,
    MacOs,
    Other,
}

impl Platform {
    /// The one this program runs on.
    pub fn here() -> Self {
        if cfg!(target_os = "windows") {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else if cfg!(target_os = "linux") {
            Self::of_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
        } else {
            Self::Other
        }
    }

    /// Which Linux an `os-release` file describes: its own name, or what it says it is like.
    fn of_os_release(text: &str) -> Self {
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

    /// What gives this system a GPU to work with.
    pub fn advice(self) -> &'static str {
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
                "install your GPU's Vulkan driver: Mesa's (AMD, Intel, and lavapipe in software) or NVIDIA's own"
            }
            Self::Windows => {
                "install the current driver of your GPU's maker (AMD, Intel or NVIDIA); it brings DX12 and Vulkan"
            }
            Self::MacOs => "Metal is part of macOS: use `--backend metal`, or `--backend auto`",
            Self::Other => "install a Vulkan driver for your GPU",
        }
    }
}

/// What to say where `wanted` has no adapter.
pub fn no_adapter(wanted: ApiBackend, answers: &[(ApiBackend, Answer)], platform: &Platform) -> String {
    let mut text = format!("{wanted} has no adapter on this machine");
    for (backend, answer) in answers {
        write!(text, "\n  {backend}: {}", in_words(*answer)).expect("writing to a string cannot fail");
    }
    let hint = match answers.iter().find(|(_, answer)| matches!(answer, Answer::Adapters(1..))) {
        // No driver would bring this backend here, and another one works.
        Some((other, _)) if answers.contains(&(wanted, Answer::NotCompiledIn)) => {
            format!("use `--backend {}`", other.id())
        }
        _ => platform.advice().to_owned(),
    };
    write!(text, "\nhint: {hint}; or train on the CPU with `--backend cpu`")
        .expect("writing to a string cannot fail");
    text
}

/// An answer for people.
pub fn in_words(answer: Answer) -> String {
    match answer {
        Answer::NotCompiledIn => "not available on this operating system".to_owned(),
        Answer::NoDriver => "no driver could be loaded".to_owned(),
        Answer::Adapters(0) => "a driver was loaded, but it shows no adapter".to_owned(),
        Answer::Adapters(1) => "1 adapter".to_owned(),
        Answer::Adapters(found) => format!("{found} adapters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_each_backend_answered_and_what_to_install() {
        let answers = [
            (ApiBackend::Vulkan, Answer::NoDriver),
            (ApiBackend::Metal, Answer::NotCompiledIn),
            (ApiBackend::Gl, Answer::Adapters(1)),
        ];
        let text = no_adapter(ApiBackend::Vulkan, &answers, &Platform::Debian);
        for part in [
            "Vulkan has no adapter on this machine\n",
            "Vulkan: no driver could be loaded\n",
            "Metal: not available on this operating system\n",
            "GL: 1 adapter\n",
            "apt install mesa-vulkan-drivers",
            "--backend cpu",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }

    #[test]
    fn a_backend_that_this_system_never_has_is_answered_with_one_that_works() {
        let answers = [(ApiBackend::Vulkan, Answer::Adapters(1)), (ApiBackend::Metal, Answer::NotCompiledIn)];
        let text = no_adapter(ApiBackend::Metal, &answers, &Platform::Debian);
        assert!(text.contains("hint: use `--backend vulkan`") && !text.contains("apt install"), "{text}");
    }

    #[test]
    fn a_linux_is_known_by_its_name_or_by_what_it_is_like() {
        for (text, platform) in [
            ("NAME=\"Debian GNU/Linux\"\nID=debian\n", Platform::Debian),
            ("ID=pop\nID_LIKE=\"ubuntu debian\"\n", Platform::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Platform::Fedora),
            ("ID=manjaro\nID_LIKE=arch\n", Platform::Arch),
            ("ID=void\n", Platform::OtherLinux),
            ("", Platform::OtherLinux),
        ] {
            assert_eq!(Platform::of_os_release(text), platform, "{text:?}");
        }
    }
}
