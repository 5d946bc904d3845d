//! Divergence: training that increases the loss instead of lowering it.

/// A loss that has grown by orders of magnitude since the run began, though it is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divergence {
    /// The mean loss of the run's first step.
    pub initial_loss: f64,
    /// The mean loss of the epoch, so far or at its end.
    pub loss: f64,
}

/// How many times the first loss a loss must exceed.
const FACTOR: f64 = 100.0;

impl Divergence {
    /// Returns the divergence if `loss` is more than 100 times the run's first loss and more than 100 times ln K, the
    /// cross-entropy of a guess among K classes: a model that was trained before may begin with a loss near 0, which a
    /// few hard images exceed many times. `None` if the first loss is not known.
    pub(super) fn of(initial_loss: Option<f64>, loss: f64, classes: usize) -> Option<Self> {
        let initial_loss = initial_loss?;
        let limit = FACTOR * initial_loss.max(libm::log(classes as f64));
        (loss > limit).then_some(Self { initial_loss, loss })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_many_times_the_first_is_divergence() {
        for (initial, loss, diverges) in [
            (2.3, 1.5e20, true),
            (2.3, 231.0, true),
            (2.3, 229.0, false),
            // Of a model that was trained before.
            (0.01, 5.0, false),
            // Of random weights of a large variance.
            (4_000.0, 30_000.0, false),
            // A loss without a lower bound.
            (-0.1, -1e20, false),
        ] {
            let divergence = Divergence::of(Some(initial), loss, 10);
            assert_eq!(divergence, diverges.then_some(Divergence { initial_loss: initial, loss }), "{loss}");
        }
        assert_eq!(Divergence::of(None, 1e20, 10), None);
    }
}
