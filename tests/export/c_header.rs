//! Exported C headers compile without warnings, and their `lenet_predict` computes the right logits.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::export::{Format, Input, to_bytes};
use lenet_gpu::model::{Model, ModelInfo};
use tempfile::tempdir;

use crate::models::{GREY, ROUNDINGS, images, logits, networks, normalised, random_model, roundings};

const RAW: Input = Input::Raw { height: 28, width: 28 };

/// Reads images from stdin and prints, for each, the class, the logits and, with `NAMED`, the name of class 0.
const PROGRAM: &str = r#"
#include <stdio.h>
#include "lenet.h"

int main(void)
{
    static lenet_input image[LENET_CHANNELS * LENET_HEIGHT * LENET_WIDTH];
    float logits[LENET_CLASSES];
    while (fread(image, sizeof image, 1, stdin) == 1) {
        printf("%d", lenet_predict(image, logits));
        for (int k = 0; k < LENET_CLASSES; k++)
            printf(" %.9g", logits[k]);
#ifdef NAMED
        printf(" %s", lenet_class_name(0));
#endif
        printf("\n");
    }
    return 0;
}
"#;

/// Compiles the program with the header in `folder`; warnings are errors.
pub fn compile(folder: &Path, header: &[u8], flags: &[&str]) -> PathBuf {
    fs::write(folder.join("lenet.h"), header).unwrap();
    fs::write(folder.join("main.c"), PROGRAM).unwrap();
    let program = folder.join("main");
    let mut cc = std::process::Command::new("cc");
    cc.args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"]).arg(&program).args(flags);
    let compiled = cc.arg(folder.join("main.c")).arg("-lm").output();
    let compiled = compiled.expect("this test needs a C compiler called cc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    program
}

/// Runs the program on images, checks the classes it prints, and returns the logits `[N, K]`.
pub fn run(program: &Path, images: &[u8]) -> Vec<f32> {
    let output = Command::new(program).write_stdin(images).assert().success().get_output().stdout.clone();
    let mut all = Vec::new();
    for line in String::from_utf8(output).unwrap().lines() {
        let (class, logits) = line.split_once(' ').unwrap();
        let logits: Vec<f32> = logits.split(' ').map(|logit| logit.parse().unwrap()).collect();
        let largest = logits.iter().fold(f32::MIN, |most, &next| most.max(next));
        assert_eq!(logits[class.parse::<usize>().unwrap()], largest, "{line}");
        all.extend(logits);
    }
    all
}

#[test]
fn c_headers_give_the_cpu_engines_logits() {
    for network in networks() {
        let (model, images, folder) = (random_model(network), images(20, network), tempdir().unwrap());
        let expected = logits(&model, &images);

        let program = compile(folder.path(), &to_bytes(&model, Format::CHeader, Input::Normalised), &[]);
        let bytes: Vec<u8> = normalised(&images).iter().flat_map(|x| x.to_ne_bytes()).collect();
        let off = roundings(&run(&program, &bytes), &expected);
        assert!(off <= ROUNDINGS, "{network:?}: {off}");
    }
}

#[test]
fn a_header_for_raw_pixels_pads_and_normalises_them() {
    for network in [GREY, networks()[0]] {
        let (model, images, folder) = (random_model(network), images(20, network), tempdir().unwrap());
        let program = compile(folder.path(), &to_bytes(&model, Format::CHeader, RAW), &[]);
        let off = roundings(&run(&program, &images.pixels), &logits(&model, &images));
        assert!(off <= ROUNDINGS, "{network:?}: {off}");
    }
}

#[test]
fn a_header_compiles_with_any_data_set_and_class_names() {
    let name = "\"?\\??/é\n*/";
    let info = ModelInfo {
        dataset: Some("a */ set\n#error".to_owned()),
        class_names: Some(vec![name.to_owned(); 10]),
        ..ModelInfo::default()
    };
    let (model, folder) = (Model { info, ..random_model(GREY) }, tempdir().unwrap());
    let program = compile(folder.path(), &to_bytes(&model, Format::CHeader, RAW), &["-DNAMED"]);
    let printed =
        Command::new(program).write_stdin(vec![0; 28 * 28]).assert().success().get_output().stdout.clone();
    assert!(String::from_utf8(printed).unwrap().ends_with(&format!(" {name}\n")));
}
