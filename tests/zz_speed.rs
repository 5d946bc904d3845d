#![allow(clippy::unwrap_used)]
mod common;
use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::*;
use lenet_gpu::engine::*;
use lenet_gpu::gpu::*;
use lenet_gpu::model::*;
use std::sync::Arc;
use std::time::Instant;
#[test]
fn speed() {
    let test = Arc::new(embedded_mnist_test(Conversion::default()).unwrap());
    let setup = Setup::new(LeNet5::new(1, 10), 1);
    let gpu = |set| {
        GpuEngine::new(
            common::context(),
            GpuOptions {
                setup,
                residency: Residency::Auto,
                plan: KernelPlan { set, ..KernelPlan::SOFTWARE },
            },
        )
        .unwrap()
    };
    let w = Init::Pytorch.arena(&ParameterTable::new(&setup.network), 0);
    let mut engines: Vec<(&str, Box<dyn Engine>)> = vec![
        ("cpu", Box::new(CpuEngine::new(&setup))),
        ("layered", Box::new(gpu(KernelSet::Layered))),
        ("fused", Box::new(gpu(KernelSet::Fused))),
    ];
    for (name, e) in &mut engines {
        e.set_parameters(&w).unwrap();
        e.load(Part::Test, test.clone()).unwrap();
        e.evaluate(Part::Test).unwrap();
        let mut t = [vec![], vec![]];
        for _ in 0..9 {
            let s = Instant::now();
            e.evaluate(Part::Test).unwrap();
            t[0].push(s.elapsed().as_secs_f64());
            let s = Instant::now();
            e.log_probabilities(Part::Test).unwrap();
            t[1].push(s.elapsed().as_secs_f64());
        }
        let m = t.map(|mut v| {
            v.sort_by(f64::total_cmp);
            (v[0], v[4])
        });
        println!(
            "{name}: evaluate {:.0} images/s (best {:.0}), log_probabilities {:.0} (best {:.0})",
            1e4 / m[0].1,
            1e4 / m[0].0,
            1e4 / m[1].1,
            1e4 / m[1].0
        );
    }
}
