//! Warnings about data and results that a plain accuracy would hide: imbalanced classes, divergence, and an accuracy at
//! chance. Each is one line that says what to try.

use crate::cli::data_args::class_in_message;
use crate::cli::notice;
use crate::data::{ClassCounts, Dataset};
use crate::train::{Divergence, Listener, RunSummary};

/// Images that a run must have trained on before its accuracy is judged.
const MIN_TRAINED: u64 = 1_000;

/// Warns of imbalanced training images.
pub fn imbalance(counts: &ClassCounts, names: Option<&[String]>) {
    let Some((class, share)) = counts.largest().filter(|_| counts.is_imbalanced()) else { return };
    notice::warning(format_args!(
        "the classes are imbalanced: {} has {:.2} % of the training images; try --class-weights balanced, and judge the \
         model by the balanced accuracy of `lenet-gpu evaluate`",
        class_in_message(class, names),
        100.0 * share
    ));
}

/// Warns when training diverges; it continues.
pub struct DivergenceWarning;

impl Listener for DivergenceWarning {
    fn diverged(&mut self, divergence: &Divergence) {
        let Divergence { initial_loss, loss } = divergence;
        notice::warning(format_args!(
            "training diverges: the loss is {}, and was {} at first; try a lower --lr",
            number(*loss),
            number(*initial_loss)
        ));
    }
}

/// Warns if a run that has ended learned nothing. `trained` is the number of images that it trained on, counted again in
/// each epoch. With class weights the accuracy is not what training raises, so it is not judged.
pub fn result(summary: &RunSummary, data: &Dataset, trained: u64, class_weighted: bool) {
    if let Some(Divergence { initial_loss, loss }) = summary.divergence {
        notice::warning(format_args!(
            "training has diverged: the loss of the last epoch is {}, and was {} at first; try a lower --lr, \
             --clip-norm 1 or another --init",
            number(loss),
            number(initial_loss)
        ));
        return;
    }
    let Some(last) = &summary.last else { return };
    let counts = ClassCounts::of(&data.test.labels, data.classes);
    let correct = (last.test_accuracy * counts.images() as f64).round() as usize;
    let Some((class, share)) = counts.largest() else { return };
    if class_weighted || trained < MIN_TRAINED || !counts.can_tell_chance() || !counts.is_at_chance(correct) {
        return;
    }
    let advice = match counts.is_imbalanced() {
        true => "try --class-weights balanced or more --epochs",
        false => "try a lower --lr, more --epochs or another --init",
    };
    notice::warning(format_args!(
        "the test accuracy of {:.2} % is no better than that of always predicting {}, the class of {:.2} % of the test \
         images; {advice}",
        100.0 * last.test_accuracy,
        class_in_message(class, data.class_names.as_deref()),
        100.0 * share
    ));
}

/// A loss in few digits: 2.303, 1.5e20.
fn number(loss: f64) -> String {
    if loss.abs() < 1e4 { format!("{loss:.3}") } else { format!("{loss:.1e}") }
}
