//! Runs that share a GPU as members of a population, each on a thread of its own.

use std::num::NonZero;
use std::sync::Mutex;

use lenet_gpu::data::{Conversion, Dataset};
use lenet_gpu::device::{Device, DeviceOptions};
use lenet_gpu::engine::{Engine, Setup};
use lenet_gpu::gpu::Residency;
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use lenet_gpu::train::{EpochRecord, RunState, TrainingConfig, train};

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH: usize = 16;

fn run(engine: &mut dyn Engine, data: &Dataset, config: &TrainingConfig) -> EpochRecord {
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), config.seed)).unwrap();
    let summary = train(engine, data, config, RunState::default(), &mut ()).unwrap();
    EpochRecord { seconds: 0.0, images_per_second: 0.0, ..summary.last.unwrap() }
}

fn data() -> Dataset {
    let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
    mnist.limited(NonZero::new(64), NonZero::new(20))
}

#[test]
fn members_on_threads_of_their_own_have_the_bits_of_runs_alone() {
    let data = data();
    let setup = Setup::new(NETWORK, BATCH);
    let device = Device::Gpu(Device::any_gpu().unwrap()).connect(&DeviceOptions::default()).unwrap();
    // Runs of other lengths and learning rates, and more than the population has room for.
    let config = |seed: u64| TrainingConfig {
        seed,
        epochs: [1.0, 2.5, 1.5][seed as usize % 3],
        learning_rate: 1e-3 * (1 + seed) as f32,
        batch_size: BATCH,
        evaluations_per_epoch: 1 + seed as usize % 2,
        ..TrainingConfig::default()
    };
    let left = Mutex::new((0..5).collect::<Vec<u64>>());
    let pool = device.pool(&setup, &data, 3).unwrap();
    assert_eq!(pool.size(), 3);
    let records = Mutex::new(Vec::new());
    pool.on_each_thread(|pool| {
        loop {
            let Some(seed) = left.lock().unwrap().pop() else { return };
            let record = run(&mut *pool.engine(&setup).unwrap(), &data, &config(seed));
            records.lock().unwrap().push((seed, record));
        }
    })
    .unwrap();
    let records = records.into_inner().unwrap();
    assert_eq!(records.len(), 5);
    for (seed, record) in records {
        let mut alone = device.engine(&setup).unwrap();
        assert_eq!(record, run(&mut alone, &data, &config(seed)), "seed {seed}");
    }
}

#[test]
fn streamed_images_leave_one_run_at_a_time() {
    let options = DeviceOptions { residency: Residency::Streamed, ..DeviceOptions::default() };
    let device = Device::Gpu(Device::any_gpu().unwrap()).connect(&options).unwrap();
    let pool = device.pool(&Setup::new(NETWORK, BATCH), &data(), 3).unwrap();
    assert_eq!(pool.size(), 1);
}
