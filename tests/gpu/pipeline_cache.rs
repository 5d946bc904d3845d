//! The on-disk cache of compiled pipelines: it changes no result, and no run fails because of its file.
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

/// The weights after one step on an engine with its pipeline cache in `folder`.
fn weights_after_a_step(folder: &Path) -> Vec<f32> {
    let context = crate::common::context().with_pipeline_cache(folder);
    let setup = Setup::new(NETWORK, BATCH);
    let options = GpuOptions { setup, residency: Residency::Auto, kernels: KernelConfig::SOFTWARE };
    let mut engine = GpuEngine::new(context, options).unwrap();
    let pixels = (0..BATCH * 784).map(|index| (index * 7 % 256) as u8).collect();
    let images = ImageSet { channels: 1, height: 28, width: 28, pixels, labels: vec![3; BATCH] };
    engine.load(Split::Train, Arc::new(images)).unwrap();
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
    let order: Vec<_> = (0..BATCH as u32).collect();
    let step = steps(BATCH, BATCH, 1e-3);
    engine.train(&Epoch::new(&order, &step), &mut |_, _| ControlFlow::Continue(())).unwrap();
    engine.parameters().unwrap()
}

/// The only file in a folder; `None` if the backend has no pipeline cache.
fn cache_file(folder: &Path) -> Option<PathBuf> {
    if !crate::common::context().device.features().contains(wgpu::Features::PIPELINE_CACHE) {
        return None;
    }
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("expected one file and no temporary file: {files:?}") };
    Some(file.clone())
}

#[test]
fn cached_pipelines_are_reused_and_change_no_bit() {
    let folder = tempdir().unwrap();
    let pipelines = folder.path().join("created/if/missing");
    let first = weights_after_a_step(&pipelines);
    let Some(file) = cache_file(&pipelines) else { return };
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(weights_after_a_step(&pipelines), first);
    assert_eq!(
        fs::metadata(&file).unwrap().modified().unwrap(),
        written,
        "an unchanged cache is not written again"
    );
}

#[test]
fn a_damaged_cache_file_is_replaced() {
    let folder = tempdir().unwrap();
    let first = weights_after_a_step(folder.path());
    let Some(file) = cache_file(folder.path()) else { return };
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..7], &[]] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(weights_after_a_step(folder.path()), first);
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        assert_ne!(fs::read(&file).unwrap(), damaged);
    }
}

#[test]
fn a_cache_folder_that_cannot_be_created_is_no_error() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let weights = weights_after_a_step(&file.join("pipelines"));
    assert!(weights.iter().all(|weight| weight.is_finite()));
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}
