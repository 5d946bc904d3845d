//! Kernel configurations: what is accepted is written back and read again, and is within the documented ranges.

#![no_main]

use lenet_gpu::gpu::KernelConfig;
use lenet_gpu_fuzz::{check_error, memory, mutate_toml};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    let config: KernelConfig = match memory::within(4096 * text.len() + (1 << 16), || toml::from_str(text)) {
        Ok(config) => config,
        Err(error) => {
            check_error(&error);
            return Corpus::Keep;
        }
    };
    let written = toml::to_string(&config).expect("a configuration is TOML");
    assert_eq!(toml::from_str::<KernelConfig>(&written).expect("a configuration that was written"), config);
    match config.check() {
        Ok(()) => {
            assert!(
                (1..=256).contains(&config.workgroup) && (1..=256).contains(&config.elementwise_workgroup)
            );
            assert!(config.dense_rows.is_multiple_of(4) && config.dense_columns.is_multiple_of(4));
            assert!((1..=1024).contains(&config.fused.chunks) && (1..=1024).contains(&config.weight_chunks));
        }
        Err(error) => check_error(&error),
    }
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_toml(data, size, max_size, seed)
});
