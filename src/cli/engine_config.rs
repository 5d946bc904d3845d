//! The engine section of a run configuration: what training stores without interpreting it.

use anyhow::{Context, anyhow};

use super::Failure;
use crate::gpu::KernelConfig;
use crate::gpu::adapter::AdapterInfo;
use crate::train::EngineConfig;

/// Describes a GPU engine. `name` is the engine's display name.
pub fn gpu(name: String, device: AdapterInfo, kernels: Option<KernelConfig>) -> EngineConfig {
    let kernels = kernels.map(|kernels| {
        toml::Table::try_from(kernels).expect("a kernel configuration can be represented in TOML")
    });
    EngineConfig {
        name,
        backend: device.backend.id().to_owned(),
        adapter: Some(device.name),
        driver: Some(device.driver),
        kernels,
    }
}

/// Returns the kernel configuration of an earlier run if that run used this device, so that a resumed run uses the same
/// kernels.
pub fn kernels_on(before: &EngineConfig, device: &AdapterInfo) -> Result<Option<KernelConfig>, Failure> {
    if before.backend != device.backend.id() || before.adapter.as_ref() != Some(&device.name) {
        return Ok(None);
    }
    let Some(kernels) = &before.kernels else { return Ok(None) };
    let read: Result<KernelConfig, toml::de::Error> = kernels.clone().try_into();
    let checked = read
        .map_err(|error| anyhow!("{}", error.message().replace('\n', " ")))
        .and_then(|kernels| Ok(kernels.check().map(|()| kernels)?));
    let kernels =
        checked.context("this version cannot use the run's kernel configuration").map_err(Failure::Input)?;
    Ok(Some(kernels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_configuration_round_trips_through_the_run_config() {
        for kernels in [KernelConfig::SOFTWARE, KernelConfig::HARDWARE] {
            let table = toml::Table::try_from(kernels).unwrap();
            let json: toml::Table = serde_json::from_str(&serde_json::to_string(&table).unwrap()).unwrap();
            assert_eq!(json, table);
            assert_eq!(json.try_into::<KernelConfig>().unwrap(), kernels);
        }
    }
}
