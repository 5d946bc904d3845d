//! Compiled pipelines that are kept on the disk: they change no result, and whatever becomes of the file, no run
//! fails of it.
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{Engine, Epoch, Setup, Split, steps};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use tempfile::tempdir;

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH: usize = 4;

/// The weights after a step of an engine that keeps its pipelines in `folder`.
fn a_step(folder: &Path) -> Vec<f32> {
    let (setup, plan) = (Setup::new(NETWORK, BATCH), KernelConfig::SOFTWARE);
    let context = crate::common::context().keeping_pipelines_in(folder);
    let options = GpuOptions { setup, residency: Residency::Auto, plan };
    let mut engine = GpuEngine::new(context, options).unwrap();
    let pixels = (0..BATCH * 784).map(|place| (place * 7 % 256) as u8).collect();
    let split = ImageSet { channels: 1, height: 28, width: 28, pixels, labels: vec![3; BATCH] };
    engine.load(Split::Train, Arc::new(split)).unwrap();
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
    let order: Vec<_> = (0..BATCH as u32).collect();
    let step = steps(BATCH, BATCH, 1e-3);
    engine.train(&Epoch::new(&order, &step), &mut |_, _| ControlFlow::Continue(())).unwrap();
    engine.parameters().unwrap()
}

/// The one file of a folder; none where the backend keeps nothing.
fn kept(folder: &Path) -> Option<PathBuf> {
    if !crate::common::context().device.features().contains(wgpu::Features::PIPELINE_CACHE) {
        return None;
    }
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("one file, and no draft: {files:?}") };
    Some(file.clone())
}

#[test]
fn kept_pipelines_are_found_again_and_change_no_bit() {
    let folder = tempdir().unwrap();
    let pipelines = folder.path().join("made/when/needed");
    let first = a_step(&pipelines);
    let Some(file) = kept(&pipelines) else { return };
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(a_step(&pipelines), first);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "nothing was new");
}

#[test]
fn a_damaged_file_is_begun_anew() {
    let folder = tempdir().unwrap();
    let first = a_step(folder.path());
    let Some(file) = kept(folder.path()) else { return };
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..7], &[]] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(a_step(folder.path()), first);
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        assert_ne!(fs::read(&file).unwrap(), damaged);
    }
}

#[test]
fn a_folder_that_cannot_be_made_fails_no_run() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let weights = a_step(&file.join("pipelines"));
    assert!(weights.iter().all(|weight| weight.is_finite()));
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}
