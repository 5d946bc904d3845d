//! `doctor`: what it says about this machine, and about a machine without drivers.
use std::fs;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::{Value, json};
use tempfile::tempdir;

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.arg("doctor").args(arguments);
    command
}

#[test]
fn doctor_describes_the_machine_as_json_without_the_home_folder() {
    let home = tempdir().unwrap();
    let home_text = home.path().to_str().unwrap();
    fs::create_dir_all(home.path().join("cache/pipelines")).unwrap();
    fs::write(home.path().join("cache/pipelines/device"), [0; 7]).unwrap();
    let assert = doctor(&["--backend", "cpu", "--json"])
        .env("HOME", home_text)
        .env("LENET_GPU_CACHE", home.path().join("cache"))
        .env("WGPU_BACKEND", "gl")
        .env("HTTPS_PROXY", "http://user:password@proxy")
        .assert()
        .success()
        .stderr(is_empty());
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert!(!text.contains(home_text) && !text.contains("password"), "{text}");

    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["program"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(found["device"], json!({"engine": "cpu", "adapter": null, "reason": "as requested"}));
    assert_eq!((&found["check"]["passed"], &found["check"]["checks"]), (&json!(true), &json!(2)));
    assert_eq!(found["cache"]["folder"], "~/cache");
    assert_eq!(found["cache"]["pipelines"], json!({"files": 1, "bytes": 7}));
    let backends: Vec<_> =
        found["backends"].as_array().unwrap().iter().map(|backend| &backend["backend"]).collect();
    assert_eq!(backends, ["vulkan", "metal", "dx12", "gl", "cpu"]);
    assert_eq!(found["datasets"][0], json!({"name": "mnist", "location": "built in", "bytes": 0}));
    for adapter in found["adapters"].as_array().unwrap() {
        assert!(adapter["limits"]["max_storage_buffer_binding_size"].as_u64().unwrap() > 0);
        assert!(adapter["timestamps"].is_boolean() && adapter["driver"].is_string());
    }
    let problems = found["problems"].as_array().unwrap();
    let of_wgpu =
        problems.iter().find(|problem| problem["problem"].as_str().unwrap().contains("WGPU_BACKEND"));
    assert_eq!(of_wgpu.unwrap()["fix"], "use --backend and --adapter");
}

#[test]
fn doctor_shows_each_subject_and_a_verdict() {
    doctor(&["--backend", "cpu"]).assert().success().stdout(
        contains("Backends")
            .and(contains("Data sets"))
            .and(contains("Environment"))
            .and(contains("the CPU engine: as requested"))
            .and(contains("24 tensors are within their tolerances"))
            .and(contains("The device works")),
    );
}

/// An environment in which neither Vulkan nor GL finds a driver.
#[cfg(target_os = "linux")]
fn without_drivers(arguments: &[&str]) -> Command {
    let mut command = doctor(arguments);
    command
        .env_remove("VK_DRIVER_FILES")
        .env("VK_ICD_FILENAMES", "/nonexistent/icd.json")
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent");
    command
}

#[cfg(target_os = "linux")]
#[test]
fn doctor_says_what_to_change_if_a_variable_names_a_driver_that_is_missing() {
    without_drivers(&[]).assert().success().stdout(
        contains("manifest /nonexistent/icd.json does not exist")
            .and(contains("to do: unset or correct VK_ICD_FILENAMES"))
            .and(contains("the CPU engine: no GPU was found")),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn doctor_fails_if_the_wanted_device_is_missing() {
    without_drivers(&["--backend", "vulkan"])
        .assert()
        .code(1)
        .stdout(contains("The device does not work.").and(contains("to do: ")).and(contains("--backend cpu")))
        .stderr(contains("error: Vulkan has no adapter\n"));
    doctor(&["--adapter", "no such adapter"])
        .assert()
        .code(2)
        .stdout("")
        .stderr(contains("error: no adapter"));
}

#[cfg(target_os = "linux")]
#[test]
fn doctor_does_not_advise_a_driver_for_a_backend_of_another_operating_system() {
    doctor(&["--backend", "metal"])
        .assert()
        .code(1)
        .stdout(contains("to do: omit --backend; or use the CPU with --backend cpu"))
        .stderr(contains("error: Metal is not available on this operating system\n"));
}

#[test]
fn doctor_does_not_call_a_requested_cpu_a_fallback() {
    doctor(&["--backend", "cpu"]).assert().success().stdout(contains("so the CPU engine is used").not());
}
