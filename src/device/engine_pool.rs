//! Several engines of one device that train at the same time.

use std::{io, thread};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::OpenDevice;
use crate::data::{Dataset, ImageSet};
use crate::engine::{Engine, EngineError, Lockstep, Setup, Split};

/// Engines of one device for runs of the same network and batch size, several at the same time: one on each thread of
/// the CPU, or the members of a population on a GPU.
///
/// A run on such an engine computes the same bits as on an engine of its own.
///
/// ```no_run
/// # use lenet_gpu::{data::{Conversion, Dataset}, device::{Device, DeviceOptions, DeviceRequest}, engine::Setup};
/// # use lenet_gpu::{model::LeNet5, train::{RunState, TrainingConfig, train}};
/// use std::sync::Mutex;
///
/// # let mnist = Dataset::embedded_mnist(Conversion::default())?;
/// # let device = Device::find(&DeviceRequest::default())?;
/// let setup = Setup::new(LeNet5::new(1, 10), 64);
/// let seeds = Mutex::new((0..10).collect::<Vec<u64>>());
/// let pool = device.connect(&DeviceOptions::default())?.pool(&setup, &mnist, 10)?;
/// pool.on_each_thread(|pool| {
///     while let Some(seed) = seeds.lock().unwrap().pop() {
///         let mut engine = pool.engine(&setup).unwrap();
///         let config = TrainingConfig { seed, ..TrainingConfig::default() };
///         train(&mut *engine, &mnist, &config, RunState::default(), &mut ()).unwrap();
///     }
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EnginePool {
    device: OpenDevice,
    setup: Setup,
    size: usize,
    /// The members of a GPU; `None` on the CPU, and for a GPU that trains one network at a time.
    population: Option<Lockstep>,
}

impl OpenDevice {
    /// Prepares engines for runs with the kernels of `setup` on the images of `data`, at most `members` at the same
    /// time. There may be fewer: on the CPU at most one for each thread of the current rayon pool, on a GPU as many as
    /// its limits allow for the setup and the images.
    ///
    /// # Errors
    /// If the device cannot run this setup.
    ///
    /// # Panics
    /// If `members` is 0.
    pub fn pool(&self, setup: &Setup, data: &Dataset, members: usize) -> Result<EnginePool, EngineError> {
        assert!(members > 0, "a pool is for at least one run");
        let most = match &self.gpu {
            None => rayon::current_num_threads(),
            Some(_) => self.largest_population(setup, &splits(data)),
        };
        let size = members.min(most);
        let population = match &self.gpu {
            Some(_) if size > 1 => Some(Lockstep::start(self.population(setup, size)?)?),
            _ => None,
        };
        Ok(EnginePool { device: self.clone(), setup: *setup, size, population })
    }
}

/// The image sets of a data set.
fn splits(data: &Dataset) -> Vec<(Split, &ImageSet)> {
    let validation = data.validation.as_ref().map(|images| (Split::Validation, &**images));
    [(Split::Train, &*data.train), (Split::Test, &*data.test)].into_iter().chain(validation).collect()
}

impl EnginePool {
    /// How many engines train at the same time, and how many threads [`Self::on_each_thread`] starts.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Creates an engine for a run. On a GPU, a run whose setup shares its kernels with that of the pool
    /// ([`Setup::shares_kernels_with`]) becomes a member of the population; any other has an engine of its own.
    ///
    /// # Errors
    /// If the device cannot run this setup, or has failed.
    ///
    /// # Panics
    /// If [`Self::size`] engines exist already.
    pub fn engine(&self, setup: &Setup) -> Result<Box<dyn Engine>, EngineError> {
        match &self.population {
            Some(population) if setup.shares_kernels_with(&self.setup) => {
                Ok(Box::new(population.member(setup)?))
            }
            _ => Ok(self.device.engine(setup)?.into_boxed()),
        }
    }

    /// Calls `work` on [`Self::size`] threads at the same time and waits for all of them. On the CPU each has a share
    /// of the threads of the current rayon pool, at least one, as a rayon pool of its own.
    ///
    /// Each thread should use one engine at a time, and return when there is nothing left to do.
    ///
    /// # Errors
    /// If a thread cannot start; the work of those that did is then done.
    ///
    /// # Panics
    /// If `work` panics on a thread, after it has returned on all others.
    pub fn on_each_thread(&self, work: impl Fn(&Self) + Sync) -> io::Result<()> {
        let mut pools = self.thread_pools()?;
        // All are announced before one of them begins, so that the first members of a population begin together.
        let workers: Vec<_> =
            (0..self.size).map(|_| self.population.as_ref().map(Lockstep::worker)).collect();
        thread::scope(|scope| {
            for worker in workers {
                let (work, pool) = (&work, pools.pop());
                thread::Builder::new().spawn_scoped(scope, move || {
                    let _worker = worker;
                    match pool {
                        Some(pool) => pool.install(|| work(self)),
                        None => work(self),
                    }
                })?;
            }
            Ok(())
        })
    }

    /// The threads of each engine on the CPU; none for a GPU, where the engines need no share of the CPU.
    fn thread_pools(&self) -> io::Result<Vec<ThreadPool>> {
        if self.device.gpu.is_some() {
            return Ok(Vec::new());
        }
        let threads = rayon::current_num_threads();
        let share = |index| (threads / self.size + usize::from(index < threads % self.size)).max(1);
        let build = |index| ThreadPoolBuilder::new().num_threads(share(index)).build();
        (0..self.size).map(build).collect::<Result<_, _>>().map_err(io::Error::other)
    }
}
