//! Writes the seeds of the corpus that depend on formats of this crate, after a change of them: `cargo run --bin seeds`.

use std::fs;
use std::path::Path;

use lenet_gpu::gpu::KernelConfig;
use lenet_gpu::model::{
    Activation, LeNet5, Model, ModelInfo, ParameterTable, Selection, SelectionSplit, weights,
};
use lenet_gpu::train::{Checkpoint, RunState};
use lenet_gpu_fuzz::tensors::Info;
use lenet_gpu_fuzz::{envelope, sample, tensors};
use serde_json::{Value, json};

fn main() {
    let plain = sample::NETWORK;
    let normalised = LeNet5 { batch_norm: true, activation: Activation::Tanh, ..LeNet5::new(3, 3) };
    let names = ["cat", "dog", "bird"].map(str::to_owned).to_vec();
    let selected = Selection { epoch: 1, split: SelectionSplit::Test, accuracy: 0.75 };
    let info = || Info { dataset: Some("mnist".to_owned()), ..Info::default() };
    let named = || Info { class_names: Some(names.clone()), selected: Some(selected), ..Info::default() };

    for (name, network, info) in [("plain", plain, info()), ("normalised", normalised, named())] {
        put("model", name, json!({ "network": network, "info": info }).to_string());
        let info = ModelInfo::from(info);
        let model = |values: &dyn Fn(&str) -> Vec<f32>| {
            let table = ParameterTable::new(&network);
            let parameters = table.tensors().iter().flat_map(|tensor| values(tensor.name)).collect();
            weights::to_bytes(&Model { network, parameters, info: info.clone() })
        };
        let header = header(&network, model);
        put("safetensors", name, &header);
        let mut without: Value = serde_json::from_str(&header).expect("a header is JSON");
        without.as_object_mut().expect("a header is an object").remove("__metadata__");
        put("safetensors", &format!("{name}-from-pytorch"), without.to_string());
    }

    let records = [1, 2].map(sample::record).map(|record| json!(record).to_string());
    put("metrics", "two-epochs", records.join("\n") + "\n");
    put("metrics", "last-line-without-end", &records[0]);
    put("run_folder", "two-epochs", records.join("\n") + "\n");
    put("run_folder", "last-line-without-end", &records[0]);
    let config = sample::config();
    for (name, state) in [("new", RunState::default()), ("within-an-epoch", sample::state())] {
        let fields =
            json!({ "info": info(), "state": state, "config": config, "images": "0123456789abcdef" });
        put("checkpoint", name, fields.to_string());
        let checkpoint = |values: &dyn Fn(&str) -> Vec<f32>| {
            let (state, config) = (state.clone(), config.clone());
            sample::checkpoint(info().into(), state, config, values).to_bytes()
        };
        let header = header(&plain, checkpoint);
        let file = tensors::file(&header, [].into_iter());
        Checkpoint::from_bytes(&file).expect("a valid checkpoint");
        put("safetensors", &format!("checkpoint-{name}"), &header);
    }

    for (name, config) in [("hardware", KernelConfig::HARDWARE), ("software", KernelConfig::SOFTWARE)] {
        put("kernel_config", name, toml::to_string(&config).expect("a configuration is TOML"));
    }
    let presets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/cli/recipe/presets");
    for preset in fs::read_dir(presets).expect("the presets' folder") {
        let path = preset.expect("a preset").path();
        let name = path.file_stem().expect("a file's name").to_string_lossy().into_owned();
        put("recipe", &name, fs::read(path).expect("a preset can be read"));
    }

    let mut images = [&[0, 0, 8, 3][..], &[0; 11], &[3], &[7; 12]].concat();
    envelope::repair_idx(&mut images);
    put("idx", "images", &images);
    put("idx", "labels", [0, 0, 8, 1, 0, 0, 0, 3, 0, 4, 2]);
    images.resize(16 + 3 * 4, 7);
    images[4..16].copy_from_slice(&[0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2]);
    put("gzip", "plain", &images);
    put("gzip", "packed", envelope::gzip(&images, 9));
    put("gzip", "two-members", [envelope::gzip(&images[..9], 0), envelope::gzip(&images[9..], 6)].concat());

    put("idx", "table", [&[0, 0, 0x0c, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7][..], &[0; 4]].concat());
    put("npz", "images", [&npy("(2, 2, 3)")[..], &[7; 12]].concat());
    put("npz", "colour", [&npy("(2, 1, 2, 3)")[..], &[7; 12]].concat());
    let row = |label: u8| format!("{label}{}\n", ",9".repeat(64));
    put("csv", "plain", [row(3), row(1)].concat());
    put("csv", "header", format!("label{}\r\n{}", ",x".repeat(64), row(1)).replace(',', ";"));

    let records: Vec<u8> = (0..2)
        .flat_map(|label| (0..envelope::CIFAR_RECORD).map(move |at| if at == 0 { label } else { 9 }))
        .collect();
    put("cifar", "two-records", &records);
    let archive =
        tar(&[("cifar-10-batches-bin/", b'5', &[]), ("cifar-10-batches-bin/test_batch.bin", b'0', &records)]);
    put("tar", "packed", envelope::gzip(&archive, 9));
    put("tar", "one-record", tar(&[("test_batch.bin", b'0', &records[..envelope::CIFAR_RECORD])]));
    put("tar", "link", tar(&[("test_batch.bin", b'2', &[])]));
    put(
        "tar",
        "long-name",
        tar(&[("././@LongLink", b'L', &[b'x'; 200]), ("x/readme.html", b'0', b"<html>")]),
    );
}

/// Writes a seed.
fn put(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder can be created");
    fs::write(folder.join(name), bytes).expect("a seed can be written");
}

/// The start of an array of unsigned bytes.
fn npy(shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat()
}

/// The header of the file that `build` makes of the values of its tensors, which are those of [`tensors::file`].
fn header(network: &LeNet5, build: impl Fn(&dyn Fn(&str) -> Vec<f32>) -> Vec<u8>) -> String {
    let table = ParameterTable::new(network);
    let len = |name: &str| {
        let name = name.rsplit_once("moment.").map_or(name, |(_, name)| name);
        table.get(name).len()
    };
    let text = |file: &[u8]| {
        let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
        String::from_utf8(file[8..8 + length].to_vec()).expect("a header is UTF-8")
    };
    let layout: Value =
        serde_json::from_str(&text(&build(&|name| vec![0.0; len(name)]))).expect("a header is JSON");
    text(&build(&|name| {
        let start = layout[name]["data_offsets"][0].as_u64().expect("an offset") as usize / 4;
        (start..start + len(name)).map(tensors::value).collect()
    }))
}

/// An archive of entries with these names, types and contents.
fn tar(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, contents) in entries {
        let start = bytes.len();
        bytes.resize(start + 512, 0);
        let header = &mut bytes[start..];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
        header[156] = *kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    envelope::repair_tar(&mut bytes);
    bytes
}
