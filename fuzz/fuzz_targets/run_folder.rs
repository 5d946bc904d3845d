//! The metrics of a run to resume, beside a valid checkpoint: the lines of its epochs are kept, byte for byte, or the folder
//! is refused and not changed.

#![no_main]

use std::fs;
use std::sync::OnceLock;

use lenet_gpu::model::{ModelInfo, ParameterTable};
use lenet_gpu::train::EarlierRun;
use lenet_gpu_fuzz::{Scratch, check_error, mutate_json, sample, tensors};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static FOLDER: OnceLock<Scratch> = OnceLock::new();

fuzz_target!(
    init: {
        let folder = FOLDER.get_or_init(Scratch::create);
        let config = sample::config();
        folder.write("config.toml", toml::to_string(&config).expect("a configuration is TOML").as_bytes());
        let len = |name: &str| {
            let name = name.rsplit_once("moment.").map_or(name, |(_, name)| name);
            ParameterTable::new(&sample::NETWORK).get(name).len()
        };
        let values = |name: &str| (0..len(name)).map(tensors::value).collect();
        let checkpoint = sample::checkpoint(ModelInfo::default(), sample::state(), config, &values);
        folder.write("checkpoint.safetensors", &checkpoint.to_bytes());
    },
    |bytes: &[u8]| {
        let folder = FOLDER.get().expect("it was created at the start");
        let path = folder.write("metrics.jsonl", bytes);
        let opened = EarlierRun::open(folder.folder());
        assert_eq!(fs::read(&path).expect("the metrics"), bytes, "opening a folder changes nothing");
        match opened {
            Err(error) => check_error(&error),
            Ok(run) => {
                let epochs = run.checkpoint().expect("the checkpoint").state.epochs as usize;
                drop(run.resume(&sample::config()).expect("the folder can be written to"));
                let kept = fs::read(&path).expect("the metrics");
                assert!(kept.ends_with(b"\n"));
                let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').take(epochs).collect();
                assert_eq!(kept, [lines.join(&b'\n'), b"\n".to_vec()].concat());
            }
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_json(data, size, max_size, seed)
});
