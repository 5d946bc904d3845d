//! Compiled pipelines kept on the disk from one run to the next, where the backend can do that (Vulkan). Many
//! drivers have such a cache of their own; for those that have none, this one spares each start the compiling.
//!
//! A file for each model of device holds a SHA-256 and the bytes that it is of, which are wgpu's: they name the
//! driver too, and another one begins anew.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::files::{open_regular, write_atomically};

/// The bytes of a SHA-256.
const DIGEST: usize = 32;

/// A file longer than this is begun anew: a cache only grows, by the kernels of each version of this program.
const LONGEST: u64 = 64 << 20;

/// A cache that is written to its file once the last user of it is done.
#[derive(Debug)]
pub struct PipelineCache {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    /// Bytes of what was read; 0 where nothing was.
    found: usize,
}

impl PipelineCache {
    /// Reads what is kept in a folder for the device; none where its backend has no such thing.
    pub fn open(device: &wgpu::Device, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let file = folder.join(wgpu::util::pipeline_cache_key(&device.adapter_info())?);
        let found = read(&file).unwrap_or_default();
        match create(device, Some(&found)) {
            Some(cache) => Some(Self { cache, file, found: found.len() }),
            // It is another device's.
            None => Some(Self { cache: create(device, None)?, file, found: 0 }),
        }
    }

    pub fn get(&self) -> &wgpu::PipelineCache {
        &self.cache
    }
}

impl Drop for PipelineCache {
    fn drop(&mut self) {
        // Of the same length, it is the same: a cache only grows.
        let Some(data) = self.cache.get_data().filter(|data| data.len() != self.found) else {
            return;
        };
        let mut bytes = Sha256::digest(&data).to_vec();
        bytes.extend(data);
        let folder = self.file.parent().map_or(Ok(()), fs::create_dir_all);
        let written = folder
            .map_err(|error| error.to_string())
            .and_then(|()| write_atomically(&self.file, &bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            // The next run compiles anew, and that is all.
            log::info!("compiled pipelines are not kept: {error}");
        }
    }
}

/// What a file holds, if that is what was written to it.
fn read(file: &Path) -> Option<Vec<u8>> {
    open_regular(file).ok().flatten().filter(|(_, length)| *length <= LONGEST)?;
    let mut data = fs::read(file).ok()?;
    let digest: Vec<u8> = data.drain(..DIGEST.min(data.len())).collect();
    (digest == *Sha256::digest(&data)).then_some(data)
}

/// A cache that begins with `data`; none where the device refuses it.
fn create(device: &wgpu::Device, data: Option<&[u8]>) -> Option<wgpu::PipelineCache> {
    let descriptor = wgpu::PipelineCacheDescriptor {
        label: Some("pipelines"),
        data: data.filter(|data| !data.is_empty()),
        fallback: true,
    };
    let refusal = device.push_error_scope(wgpu::ErrorFilter::Validation);
    // SAFETY: the bytes are as `get_data` gave them, which their hash bears out, unless someone who may write to
    // the user's cache folder forged both. wgpu itself holds device and driver against those that they name.
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    pollster::block_on(refusal.pop()).is_none().then_some(cache)
}
