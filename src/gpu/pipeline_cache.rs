//! A cache of compiled pipelines on disk, for backends that support it (Vulkan). Many drivers have a cache of their
//! own; with those that do not, this one saves compiling at each start.
//!
//! There is one file per device model. It holds a SHA-256 digest, then the data it is the digest of, in wgpu's format.
//! That names the driver too, so a new driver starts an empty cache.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::files::{open_regular, write_atomically};

/// The length of a SHA-256 digest in bytes.
const DIGEST_LEN: usize = 32;

/// The maximum length of a file in bytes. A cache only grows, with the kernels of each version of this program, so a
/// longer file is replaced by an empty cache.
const MAX_FILE_LEN: u64 = 64 << 20;

/// A cache that is written to its file when dropped.
#[derive(Debug)]
pub struct PipelineCache {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    /// Bytes read from the file; 0 if nothing was read.
    loaded_len: usize,
}

impl PipelineCache {
    /// Reads the cache of a device from a folder. `None` if the backend has no pipeline cache.
    pub fn open(device: &wgpu::Device, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let file = folder.join(wgpu::util::pipeline_cache_key(&device.adapter_info())?);
        let loaded = read(&file).unwrap_or_default();
        match create(device, Some(&loaded)) {
            Some(cache) => Some(Self { cache, file, loaded_len: loaded.len() }),
            // The data belongs to another device.
            None => Some(Self { cache: create(device, None)?, file, loaded_len: 0 }),
        }
    }

    pub fn get(&self) -> &wgpu::PipelineCache {
        &self.cache
    }
}

impl Drop for PipelineCache {
    fn drop(&mut self) {
        // A cache only grows, so equal length means equal content.
        let Some(data) = self.cache.get_data().filter(|data| data.len() != self.loaded_len) else {
            return;
        };
        let mut bytes = Sha256::digest(&data).to_vec();
        bytes.extend(data);
        let folder = self.file.parent().map_or(Ok(()), fs::create_dir_all);
        let written = folder
            .map_err(|error| error.to_string())
            .and_then(|()| write_atomically(&self.file, &bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            // Harmless: the next run compiles again.
            log::info!("cannot save compiled pipelines: {error}");
        }
    }
}

/// The data of a file; `None` if its digest does not match.
fn read(file: &Path) -> Option<Vec<u8>> {
    open_regular(file).ok().flatten().filter(|(_, length)| *length <= MAX_FILE_LEN)?;
    let mut data = fs::read(file).ok()?;
    let digest: Vec<u8> = data.drain(..DIGEST_LEN.min(data.len())).collect();
    (digest == *Sha256::digest(&data)).then_some(data)
}

/// Creates a cache with initial `data`. `None` if the device refuses the data.
fn create(device: &wgpu::Device, data: Option<&[u8]>) -> Option<wgpu::PipelineCache> {
    let descriptor = wgpu::PipelineCacheDescriptor {
        label: Some("pipelines"),
        data: data.filter(|data| !data.is_empty()),
        fallback: true,
    };
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    // SAFETY: the digest shows that the bytes are those that `get_data` returned, unless someone with write access to
    // the user's cache folder forged both. wgpu itself compares the device and driver with those that the data names.
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    pollster::block_on(validation.pop()).is_none().then_some(cache)
}
