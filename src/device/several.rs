//! Choosing several adapters of one machine.

use std::str::FromStr;

use super::{
    AdapterName, ChoiceError, Device, DeviceChoice, DeviceError, DeviceRequest, WantedBackend, choose,
};
use crate::gpu::adapter::{AdapterInfo, ApiBackend};

/// Which adapters to use at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedAdapters {
    /// Every hardware GPU, once, on the first backend that has it; of a requested backend, every adapter. Adapters that
    /// cannot be used are left out.
    All,
    /// These adapters, in this order.
    These(Vec<AdapterName>),
}

/// Why a text does not name adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdaptersError {
    /// There is nothing before, after or between commas.
    #[error("the name of an adapter is empty")]
    EmptyName,
    /// `all` and other adapters.
    #[error("`all` includes every other adapter")]
    AllAndOthers,
}

impl FromStr for WantedAdapters {
    type Err = AdaptersError;

    /// Reads `all`, or indices and parts of names separated by commas.
    fn from_str(text: &str) -> Result<Self, AdaptersError> {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        match names.as_slice() {
            ["all"] => Ok(Self::All),
            names if names.contains(&"") => Err(AdaptersError::EmptyName),
            names if names.contains(&"all") => Err(AdaptersError::AllAndOthers),
            names => {
                let name = |name: &&str| name.parse().unwrap_or_else(|never| match never {});
                Ok(Self::These(names.iter().map(name).collect()))
            }
        }
    }
}

impl Device {
    /// Chooses several devices, each of which is another adapter.
    ///
    /// # Errors
    /// If one does not exist or cannot be used, if one is named twice, or if all are wanted and there is none.
    pub fn find_several(backend: WantedBackend, wanted: &WantedAdapters) -> Result<Vec<Self>, DeviceError> {
        let is_named = matches!(wanted, WantedAdapters::These(_));
        let choose = |adapters: &[AdapterInfo]| choose_several(adapters, backend, wanted);
        let lacks_gpu = |choice: &Result<_, ChoiceError>| matches!(choice, Err(ChoiceError::NoGpu { .. }));
        let (choices, survey) = Self::survey_for(backend, is_named, choose, lacks_gpu)?;
        let mut found: Vec<_> = survey.adapters.into_iter().map(Some).collect();
        Ok(choices.into_iter().map(|choice| Self::chosen(choice, |index| found[index].take())).collect())
    }
}

/// Chooses several adapters, each of which occurs once. `adapters` are in the order of their indices.
///
/// # Errors
/// If one does not exist or cannot be used, if one is named twice, or if all are wanted and there is none.
pub fn choose_several(
    adapters: &[AdapterInfo],
    backend: WantedBackend,
    wanted: &WantedAdapters,
) -> Result<Vec<DeviceChoice>, ChoiceError> {
    match wanted {
        WantedAdapters::All => all(adapters, backend),
        WantedAdapters::These(names) => {
            let mut choices: Vec<DeviceChoice> = Vec::new();
            for name in names {
                let choice = choose(adapters, &DeviceRequest { backend, adapter: Some(name.clone()) })?;
                if let DeviceChoice::Gpu { index, .. } = choice
                    && choices.contains(&choice)
                {
                    return Err(ChoiceError::Repeated { index, adapter: adapters[index].to_string() });
                }
                choices.push(choice);
            }
            Ok(choices)
        }
    }
}

fn all(adapters: &[AdapterInfo], backend: WantedBackend) -> Result<Vec<DeviceChoice>, ChoiceError> {
    let usable = |adapter: &&AdapterInfo| adapter.unfit.is_none();
    let chosen: Vec<&AdapterInfo> = match backend {
        WantedBackend::Cpu => return Err(ChoiceError::AdapterOfCpu),
        WantedBackend::Backend(backend) => {
            adapters.iter().filter(|adapter| adapter.backend == backend).filter(usable).collect()
        }
        WantedBackend::Auto => {
            let gpus = || adapters.iter().filter(|adapter| !adapter.is_software()).filter(usable);
            // GL ranks below all others, as in the choice of one device.
            let rank = |adapter: &AdapterInfo| (adapter.backend == ApiBackend::Gl, adapter.backend);
            let is_first = |adapter: &&AdapterInfo| {
                !gpus().any(|other| rank(other) < rank(adapter) && adapter.is_same_gpu_as(other))
            };
            gpus().filter(is_first).collect()
        }
    };
    if chosen.is_empty() {
        // The choice of the best one says what is wrong.
        return match choose(adapters, &DeviceRequest { backend, adapter: None })? {
            DeviceChoice::Cpu { reason } => Err(ChoiceError::NoGpu { reason }),
            best @ DeviceChoice::Gpu { .. } => Ok(vec![best]),
        };
    }
    let reason = match (chosen.len(), backend) {
        (1, _) => "the only one".to_owned(),
        (count, WantedBackend::Backend(backend)) => format!("all {count} adapters of {backend}"),
        (count, _) => format!("all {count} GPUs"),
    };
    Ok(chosen
        .iter()
        .map(|adapter| DeviceChoice::Gpu { index: adapter.index, reason: reason.clone() })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::choice::tests::{headless, laptop, machine};
    use crate::gpu::adapter::AdapterKind;

    fn several(adapters: &[AdapterInfo], backend: WantedBackend, wanted: &str) -> Result<Vec<usize>, String> {
        let wanted: WantedAdapters = wanted.parse().map_err(|error: AdaptersError| error.to_string())?;
        let choices = choose_several(adapters, backend, &wanted).map_err(|error| error.to_string())?;
        let index = |choice: &DeviceChoice| match choice {
            DeviceChoice::Gpu { index, .. } => *index,
            DeviceChoice::Cpu { .. } => panic!("a GPU was wanted"),
        };
        Ok(choices.iter().map(index).collect())
    }

    #[test]
    fn several_adapters_are_chosen_by_index_and_name_in_their_order() {
        assert_eq!(several(&laptop(), WantedBackend::Auto, "1,0"), Ok(vec![1, 0]));
        assert_eq!(several(&laptop(), WantedBackend::Auto, "nvidia, iris"), Ok(vec![1, 0]));
    }

    #[test]
    fn all_gpus_are_those_of_the_machine_without_software_and_duplicates() {
        assert_eq!(several(&laptop(), WantedBackend::Auto, "all"), Ok(vec![0, 1]));
        let two_cards = machine([
            ("H100", ApiBackend::Vulkan, AdapterKind::Discrete),
            ("H100", ApiBackend::Vulkan, AdapterKind::Discrete),
            ("llvmpipe", ApiBackend::Vulkan, AdapterKind::Software),
            ("H100", ApiBackend::Gl, AdapterKind::Discrete),
        ]);
        assert_eq!(several(&two_cards, WantedBackend::Auto, "all"), Ok(vec![0, 1]));
        let vulkan = WantedBackend::Backend(ApiBackend::Vulkan);
        assert_eq!(several(&two_cards, vulkan, "all"), Ok(vec![0, 1, 2]), "software is used on request");
        let mut one_unfit = two_cards;
        one_unfit[0].unfit = Some("no compute shaders".to_owned());
        assert_eq!(several(&one_unfit, WantedBackend::Auto, "all"), Ok(vec![1]));
    }

    #[test]
    fn several_adapters_that_cannot_be_chosen_are_errors() {
        let error =
            |adapters: &[AdapterInfo], backend, wanted| several(adapters, backend, wanted).unwrap_err();
        let auto = WantedBackend::Auto;
        assert!(error(&laptop(), auto, "1,1").contains("named twice"));
        assert!(error(&laptop(), auto, "nvidia,1").contains("adapter 1 is named twice"));
        assert!(error(&laptop(), auto, "0,9").contains("there is no adapter 9"));
        assert!(error(&laptop(), auto, "0,geforce 256").contains("\"geforce 256\""));
        assert!(error(&laptop(), auto, "0,").contains("empty"));
        assert!(error(&laptop(), auto, "0,all").contains("includes every other"));
        assert!(error(&laptop(), WantedBackend::Cpu, "all").contains("no adapters to choose from"));
        assert!(error(&headless(), auto, "all").contains("software adapter, which is used only on request"));
        assert!(error(&[], auto, "all").contains("no GPU was found"));
    }
}
