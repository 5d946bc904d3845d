//! `bench --compare OLD.json`: results are read, compared with others and written back.

#![no_main]

use std::sync::OnceLock;

use lenet_gpu::bench::{Results, to_markdown};
use lenet_gpu_fuzz::{Scratch, check_error, memory, mutate_json};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static FOLDER: OnceLock<Scratch> = OnceLock::new();
static NEW: OnceLock<Results> = OnceLock::new();

fuzz_target!(
    init: {
        let folder = FOLDER.get_or_init(Scratch::create);
        let path = folder.write("new.json", include_bytes!("../corpus/bench_json/results.json"));
        NEW.set(Results::read(&path).expect("valid results")).expect("this runs once");
    },
    |bytes: &[u8]| {
        let (folder, new) = (FOLDER.get().expect("set above"), NEW.get().expect("set above"));
        let path = folder.write("old.json", bytes);
        let old = match memory::within(256 * bytes.len() + (1 << 16), || Results::read(&path)) {
            Ok(old) => old,
            Err(error) => return check_error(&error),
        };
        let path = folder.write("again.json", old.to_json().as_bytes());
        assert_eq!(Results::read(&path).expect("results that were written"), old);
        assert!(!to_markdown(new, Some(&old)).is_empty());
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_json(data, size, max_size, seed)
});
