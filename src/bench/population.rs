//! Many models that a device trains at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::Instant;

use super::loaded_engine::{order, train};
use super::results::{MODEL_IMAGES, PopulationThroughput, Settings};
use super::statistics::Summary;
use crate::data::Dataset;
use crate::device::{EnginePool, OpenDevice};
use crate::engine::{EngineError, Setup, Split};

/// Measures how fast a device trains `population` models: one on each thread of the CPU, or as many together as a GPU's
/// limits allow.
pub fn measure(
    device: &OpenDevice,
    setup: &Setup,
    settings: &Settings,
    weights: &[f32],
    data: &Dataset,
    population: usize,
) -> Result<PopulationThroughput, EngineError> {
    let pool = device.pool(setup, data, population)?;
    let together = pool.size();
    // Each thread trains as many models, one after the other.
    let models_each = population.div_ceil(together);
    let race = Race {
        barrier: Barrier::new(together),
        steps: AtomicUsize::new(1),
        arrived: AtomicUsize::new(0),
        times: Mutex::new(Times::new(settings)),
        failure: Mutex::new(None),
    };
    let order = order(&data.train, setup.batch_size);
    let load = |pool: &EnginePool| {
        let mut engine = pool.engine(setup)?;
        engine.set_parameters(weights)?;
        engine.load(Split::Train, Arc::clone(&data.train))?;
        Ok(engine)
    };
    let started = pool.on_each_thread(|pool| {
        let is_first = race.arrived.fetch_add(1, Ordering::Relaxed) == 0;
        let mut engine = race.check(load(pool));
        loop {
            race.barrier.wait();
            let steps = race.steps.load(Ordering::Relaxed);
            if steps == 0 {
                return;
            }
            let started = Instant::now();
            if let Some(ready) = &mut engine {
                let trained = train(&mut **ready, &order, setup.batch_size, steps * models_each);
                engine = race.check(trained).and(engine);
            }
            race.barrier.wait();
            if is_first {
                race.next(steps, started.elapsed().as_secs_f64());
            }
        }
    });
    started.map_err(|error| EngineError::Device(format!("cannot start a thread: {error}")))?;
    let failure = race.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = failure {
        return Err(error);
    }
    let Times { steps, seconds, .. } = race.times.into_inner().unwrap_or_else(PoisonError::into_inner);
    let step = Summary::of(seconds.iter().map(|seconds| seconds / (steps * models_each) as f64).collect());
    let images_per_second = (together * setup.batch_size) as f64 / step.median;
    Ok(PopulationThroughput {
        population,
        together,
        batch: setup.batch_size,
        models_per_second: images_per_second / MODEL_IMAGES as f64,
        images_per_second,
        steps,
        step_us: step.scaled(1e6),
    })
}

/// The threads begin and end each run together. The first of them measures the time and says how long the next one is.
struct Race {
    barrier: Barrier,
    /// Steps of the next run for each model; 0 to end.
    steps: AtomicUsize,
    arrived: AtomicUsize,
    times: Mutex<Times>,
    failure: Mutex<Option<EngineError>>,
}

impl Race {
    /// The value; `None` for an error, after which no further run begins.
    fn check<T>(&self, result: Result<T, EngineError>) -> Option<T> {
        result
            .map_err(|error| {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            })
            .ok()
    }

    fn next(&self, steps: usize, seconds: f64) {
        let has_failed = self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let next = self.times.lock().unwrap_or_else(PoisonError::into_inner).next(steps, seconds);
        self.steps.store(if has_failed { 0 } else { next }, Ordering::Relaxed);
    }
}

/// The times of runs, and how long they should be.
struct Times {
    /// Seconds and number of the runs to measure.
    wanted: f64,
    repeats: usize,
    /// Steps of the runs that are measured; 0 until they are known.
    steps: usize,
    warm_ups: usize,
    seconds: Vec<f64>,
}

impl Times {
    fn new(settings: &Settings) -> Self {
        let wanted = settings.seconds / settings.repeats as f64;
        Self { wanted, repeats: settings.repeats, steps: 0, warm_ups: 0, seconds: Vec::new() }
    }

    /// Notes the time of a run; returns the number of steps of the next one, 0 if there is none.
    fn next(&mut self, steps: usize, seconds: f64) -> usize {
        if self.steps == steps {
            self.seconds.push(seconds);
            return if self.seconds.len() < self.repeats { steps } else { 0 };
        }
        self.warm_ups += 1;
        if self.warm_ups == 1 {
            // The first step may include compilation.
            return steps;
        }
        if seconds < self.wanted {
            return steps * 2;
        }
        self.steps = (self.wanted / seconds * steps as f64).round().max(1.0) as usize;
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_lengthened_until_they_take_the_wanted_time() {
        let mut times = Times { wanted: 1.0, repeats: 2, steps: 0, warm_ups: 0, seconds: Vec::new() };
        let mut steps = 1;
        let mut all = Vec::new();
        while steps > 0 {
            all.push(steps);
            steps = times.next(steps, steps as f64 * 0.15 + if all.len() == 1 { 9.0 } else { 0.0 });
        }
        assert_eq!(all, [1, 1, 2, 4, 8, 7, 7]);
        assert_eq!((times.steps, times.seconds), (7, vec![7.0 * 0.15; 2]));
    }
}
