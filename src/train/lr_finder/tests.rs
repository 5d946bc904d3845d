//! Searches on a network with a single weight.

use super::*;
use crate::engine::{LayerOutput, NonFinite, Observer, OptimizerState};

/// A network with a single weight w, whose loss w² is the same for every image. Gradient descent multiplies the weight
/// by 1 − 2·rate, so it diverges at rates above 1.
struct Parabola {
    weight: f32,
    loaded: usize,
    /// The learning rates and first images of the steps.
    steps: Vec<(f32, u32)>,
    /// What happens when the weight is too large.
    overflow: fn(f32) -> Result<f32, EngineError>,
}

fn parabola() -> Parabola {
    Parabola { weight: 1.5, loaded: 0, steps: Vec::new(), overflow: Ok }
}

impl Engine for Parabola {
    fn name(&self) -> String {
        "parabola".to_owned()
    }

    fn load(&mut self, _: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.loaded = images.len();
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(vec![self.weight])
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.weight = arena[0];
        Ok(())
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        Ok(OptimizerState { step: 0, first_moment: Vec::new(), second_moment: Vec::new() })
    }

    fn set_optimizer_state(&mut self, _: &OptimizerState) -> Result<(), EngineError> {
        Ok(())
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        // As engines may do, before anything is known.
        assert!(observer(0, &[]).is_continue());
        for (done, step) in epoch.steps.iter().enumerate() {
            let outcome = SampleOutcome { loss: self.weight * self.weight, predicted: 0 };
            self.weight = (self.overflow)(self.weight * (1.0 - 2.0 * step.learning_rate))?;
            self.steps.push((step.learning_rate, epoch.order[step.first]));
            // A large step may be reported in parts.
            let (first, second) = (step.count / 2, step.count - step.count / 2);
            let _ = observer(step.first, &vec![outcome; first]);
            if observer(step.first + first, &vec![outcome; second]).is_break() {
                return Ok(done + 1);
            }
        }
        Ok(epoch.steps.len())
    }

    fn evaluate(&mut self, _: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        unreachable!("a search does not evaluate")
    }

    fn log_probabilities(&mut self, _: Split) -> Result<Vec<f32>, EngineError> {
        unreachable!("a search does not evaluate")
    }

    fn activations(&mut self, _: Split) -> Result<Vec<LayerOutput>, EngineError> {
        unreachable!("a search does not evaluate")
    }
}

const RANGE: LrRange = LrRange { low: 1e-5, high: 10.0 };

fn images(count: usize) -> Arc<ImageSet> {
    Arc::new(ImageSet::new(1, 1, 1, vec![0; count], vec![0; count]).unwrap())
}

fn search_with(engine: &mut Parabola, count: usize, batch_size: usize) -> LrSearch {
    search_in(RANGE, engine, count, batch_size)
}

fn search_in(range: LrRange, engine: &mut Parabola, count: usize, batch_size: usize) -> LrSearch {
    let config = TrainingConfig { batch_size, ..TrainingConfig::default() };
    let mut progress = |_: usize, _: usize| ControlFlow::Continue(());
    find_learning_rate(engine, &images(count), &config, range, &mut progress).unwrap()
}

#[test]
fn rates_rise_by_the_same_factor_from_low_to_high() {
    let mut engine = parabola();
    engine.overflow = |_| Ok(1.0);
    let found = search_with(&mut engine, 1_600, 8);
    assert_eq!((found.points.len(), found.ending), (200, LrSearchEnding::Finished));
    let rates: Vec<f32> = found.points.iter().map(|point| point.learning_rate).collect();
    assert_eq!((rates[0], rates[199]), (RANGE.low, RANGE.high));
    for pair in rates.windows(2) {
        // Six decades in 199 factors, to the precision of f32.
        assert!((libm::log10((pair[1] / pair[0]).into()) - 6.0 / 199.0).abs() < 1e-6, "{pair:?}");
    }
}

#[test]
fn a_search_has_at_least_100_and_at_most_1000_steps() {
    for (count, expected) in [(5, 100), (64, 100), (800, 100), (1_200, 150), (20_000, 1_000)] {
        let mut engine = parabola();
        engine.overflow = |_| Ok(1.0);
        assert_eq!(search_with(&mut engine, count, 8).points.len(), expected, "{count} images");
    }
}

#[test]
fn an_explosion_ends_the_search_and_the_suggestion_is_below_it() {
    for batch_size in [8, 32] {
        let mut engine = parabola();
        let found = search_with(&mut engine, 3_200, batch_size);
        assert_eq!(found.ending, LrSearchEnding::Exploded);
        let last = found.points.last().unwrap();
        assert!((1.0..RANGE.high).contains(&last.learning_rate), "{last:?}");
        assert!(found.points.iter().all(|point| point.loss.is_finite() && point.smoothed.is_finite()));
        let suggestion = found.suggestion().unwrap();
        assert!((1e-3..1.0).contains(&suggestion), "{suggestion}");
    }
}

#[test]
fn numbers_that_are_not_finite_end_the_search_as_an_explosion() {
    let overflows: [fn(f32) -> Result<f32, EngineError>; 2] = [
        |weight| Ok(if weight.abs() > 2.0 { f32::NAN } else { weight }),
        |weight| match weight.abs() > 2.0 {
            true => Err(EngineError::NonFinite { tensor: "w", what: NonFinite::Gradient, step: 1 }),
            false => Ok(weight),
        },
    ];
    for overflow in overflows {
        let mut engine = Parabola { overflow, ..parabola() };
        let found = search_with(&mut engine, 3_200, 8);
        assert_eq!(found.ending, LrSearchEnding::Exploded);
        assert!(found.suggestion().is_some());
        assert_eq!(engine.weight, 1.5);
    }
    let mut engine = Parabola { weight: f32::NAN, ..parabola() };
    let found = search_with(&mut engine, 3_200, 8);
    assert_eq!((found.points.len(), found.suggestion()), (0, None));
}

#[test]
fn the_engine_has_its_parameters_back() {
    let mut engine = parabola();
    search_with(&mut engine, 800, 8);
    assert_eq!((engine.weight, engine.loaded), (1.5, 800));
}

#[test]
fn images_come_in_the_order_of_the_first_epochs() {
    let mut engine = Parabola { overflow: |_| Ok(1.0), ..parabola() };
    search_with(&mut engine, 64, 1);
    let seed = TrainingConfig::default().seed;
    let expected = [data::order(64, seed, 0, true), data::order(64, seed, 1, true)].concat();
    assert_eq!(engine.steps.iter().map(|&(_, first)| first).collect::<Vec<_>>(), expected[..100]);
}

#[test]
fn the_observer_can_end_the_search() {
    let mut engine = parabola();
    let mut seen = Vec::new();
    let mut progress = |done: usize, total: usize| {
        seen.push((done, total));
        if done == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let config = TrainingConfig { batch_size: 8, ..TrainingConfig::default() };
    let found = find_learning_rate(&mut engine, &images(800), &config, RANGE, &mut progress).unwrap();
    assert_eq!((found.points.len(), found.ending), (7, LrSearchEnding::Interrupted));
    assert!(seen.iter().all(|&(_, total)| total == 100) && seen.last() == Some(&(7, 100)), "{seen:?}");
}

#[test]
fn a_loss_that_does_not_fall_has_no_suggestion_and_a_figure() {
    let mut engine = Parabola { overflow: |_| Ok(1.5), ..parabola() };
    let found = search_with(&mut engine, 800, 8);
    assert_eq!(found.suggestion(), None);
    found.figure("flat").to_html().unwrap();
}

#[test]
fn a_loss_that_falls_up_to_the_highest_rate_is_still_falling() {
    let found = search_in(LrRange { low: 1e-4, high: 1e-2 }, &mut parabola(), 800, 8);
    assert!(found.is_still_falling());
    assert!(found.figure("short").caption.contains("still falls"));
    let mut flat = Parabola { overflow: |_| Ok(1.5), ..parabola() };
    for engine in [&mut parabola(), &mut flat] {
        assert!(!search_with(engine, 800, 8).is_still_falling());
    }
}

#[test]
fn no_suggestion_is_below_the_rates_that_were_tried() {
    let found = search_in(LrRange { low: 0.01, high: 0.02 }, &mut parabola(), 800, 8);
    assert_eq!(found.suggestion(), Some(0.01));
}

#[test]
fn the_figure_marks_the_suggestion() {
    let found = search_with(&mut parabola(), 3_200, 8);
    let figure = found.figure("parabola");
    let [curve, mark] = &figure.series[..] else { panic!("two series") };
    assert_eq!(curve.points.len(), found.points.len());
    let rate = found.suggestion().unwrap();
    assert!(mark.name.ends_with(&rate.to_string()), "{}", mark.name);
    assert!((f64::from(rate) / mark.points[0].x - 1.0).abs() < 0.1);
    figure.draw(800, 500).unwrap();
}
