//! The `lenet-gpu` program. Everything it does is in the library's `cli` module.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: lenet_gpu::cli::Allocator = lenet_gpu::cli::Allocator;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    quieten_wayland();
    lenet_gpu::cli::main()
}

/// Drivers look for a Wayland display, although nothing is drawn on one. Where `XDG_RUNTIME_DIR` is not set, as in most
/// containers, libwayland then prints an error of its own. With this folder it finds no display, and says nothing: nobody
/// can place a socket in it.
#[cfg(target_os = "linux")]
fn quieten_wayland() {
    const VARIABLE: &str = "XDG_RUNTIME_DIR";
    let is_valid = std::env::var_os(VARIABLE).is_some_and(|it| std::path::Path::new(&it).is_absolute());
    if !is_valid {
        // SAFETY: this is the first thing that the program does, so no other thread reads the environment.
        unsafe { std::env::set_var(VARIABLE, "/dev/null") };
    }
}
