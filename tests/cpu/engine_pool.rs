//! Several engines on the threads of the CPU.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lenet_gpu::data::{Conversion, Dataset};
use lenet_gpu::device::{Device, DeviceOptions, DeviceRequest, OpenDevice, WantedBackend};
use lenet_gpu::engine::{Engine, Setup};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use lenet_gpu::train::{RunState, TrainingConfig, train};
use rayon::ThreadPoolBuilder;

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH: usize = 16;

fn cpu() -> OpenDevice {
    let request = DeviceRequest { backend: WantedBackend::Cpu, adapter: None };
    Device::find(&request).unwrap().connect(&DeviceOptions::default()).unwrap()
}

fn hash(engine: &mut dyn Engine, data: &Dataset, seed: u64) -> String {
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), seed)).unwrap();
    let config = TrainingConfig { seed, epochs: 1.0, batch_size: BATCH, ..TrainingConfig::default() };
    let summary = train(engine, data, &config, RunState::default(), &mut ()).unwrap();
    summary.last.unwrap().weights_hash
}

#[test]
fn runs_on_all_threads_have_the_bits_of_runs_alone() {
    let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
    let data = mnist.limited(std::num::NonZero::new(64), std::num::NonZero::new(10));
    let setup = Setup::new(NETWORK, BATCH);
    let device = cpu();
    let alone: Vec<_> = (0..5).map(|seed| hash(&mut device.engine(&setup).unwrap(), &data, seed)).collect();
    // Five runs on 1, 3 and 8 threads: fewer threads than runs, threads that are not shared evenly, and more.
    for (threads, size) in [(1, 1), (3, 3), (8, 5)] {
        let hashes = Mutex::new(vec![String::new(); alone.len()]);
        let next = AtomicUsize::new(0);
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let pool = device.pool(&setup, &data, alone.len()).unwrap();
            assert_eq!(pool.size(), size);
            pool.on_each_thread(|pool| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= alone.len() {
                        break;
                    }
                    let found = hash(&mut *pool.engine(&setup).unwrap(), &data, seed as u64);
                    hashes.lock().unwrap()[seed] = found;
                }
            })
            .unwrap();
        });
        assert_eq!(hashes.into_inner().unwrap(), alone, "{threads} threads");
    }
}

#[test]
fn the_threads_of_the_machine_are_shared_among_the_runs() {
    let data = Dataset::embedded_mnist(Conversion::default()).unwrap();
    let setup = Setup::new(NETWORK, BATCH);
    let shares = Mutex::new(Vec::new());
    ThreadPoolBuilder::new().num_threads(8).build().unwrap().install(|| {
        let pool = cpu().pool(&setup, &data, 3).unwrap();
        pool.on_each_thread(|_| shares.lock().unwrap().push(rayon::current_num_threads())).unwrap();
    });
    let mut shares = shares.into_inner().unwrap();
    shares.sort_unstable();
    assert_eq!(shares, [2, 3, 3]);
}
