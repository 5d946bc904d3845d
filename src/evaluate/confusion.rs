//! The confusion matrix and the scores computed from it.

use std::collections::BTreeMap;

use crate::data::ClassCounts;

/// How many images of each class were predicted as each class.
///
/// Only pairs of classes that occur are stored: with 65,536 classes, all of them would take 32 GiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    /// The number of images of each label and prediction, if it is not 0.
    counts: BTreeMap<(usize, usize), u64>,
}

/// The scores of one class. A score whose denominator is 0 is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// TP/(TP + FP): the fraction of the images predicted as this class that belong to it.
    pub precision: Option<f64>,
    /// TP/(TP + FN): the fraction of this class's images that were predicted as it.
    pub recall: Option<f64>,
    /// 2·TP/(2·TP + FP + FN): the harmonic mean of precision and recall; 0 if no image of the class was recognised.
    pub f1: Option<f64>,
    /// The number of images of this class.
    pub support: u64,
}

/// A pair of classes that were confused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfusedPair {
    /// The images' class.
    pub label: usize,
    /// The class that was predicted.
    pub predicted: usize,
    /// The number of images.
    pub count: u64,
}

impl ConfusionMatrix {
    /// An empty matrix for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: BTreeMap::new() }
    }

    /// The number of classes, K.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Adds one image.
    ///
    /// # Panics
    /// If either value is not a class.
    pub fn add(&mut self, label: usize, predicted: usize) {
        assert!(label.max(predicted) < self.classes, "labels and predictions are classes");
        *self.counts.entry((label, predicted)).or_default() += 1;
    }

    /// Returns how many images of class `label` were predicted as `predicted`.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.counts.get(&(label, predicted)).copied().unwrap_or(0)
    }

    /// Iterates over the pairs of label and prediction that occur, in ascending order, with their numbers of images.
    pub fn pairs(&self) -> impl Iterator<Item = ConfusedPair> {
        self.counts.iter().map(|(&(label, predicted), &count)| ConfusedPair { label, predicted, count })
    }

    /// Returns the K×K matrix: for each label, how often each class was predicted. It takes memory for K² numbers.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        let mut rows = vec![vec![0; self.classes]; self.classes];
        self.pairs().for_each(|pair| rows[pair.label][pair.predicted] = pair.count);
        rows
    }

    /// Returns the scores of each class, indexed by label.
    pub fn scores(&self) -> Vec<ClassScores> {
        let (mut supports, mut predictions) = (vec![0; self.classes], vec![0; self.classes]);
        for pair in self.pairs() {
            supports[pair.label] += pair.count;
            predictions[pair.predicted] += pair.count;
        }
        let scores_of = |class: usize| {
            let (found, support, predicted) = (self.count(class, class), supports[class], predictions[class]);
            ClassScores {
                precision: fraction(found, predicted),
                recall: fraction(found, support),
                f1: fraction(2 * found, support + predicted),
                support,
            }
        };
        (0..self.classes).map(scores_of).collect()
    }

    /// Returns the balanced accuracy: the mean recall of the classes that have images (scikit-learn's
    /// `balanced_accuracy_score`).
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let recalls: Vec<f64> = self.scores().iter().filter_map(|scores| scores.recall).collect();
        (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    }

    /// Returns the number of images of each class.
    pub fn class_counts(&self) -> ClassCounts {
        let mut counts = vec![0; self.classes];
        self.pairs().for_each(|pair| counts[pair.label] += pair.count as usize);
        ClassCounts::new(counts)
    }

    /// Returns the mean F1 of the classes that have one (scikit-learn's `f1_score` with `average="macro"`).
    pub fn macro_f1(&self) -> Option<f64> {
        let known: Vec<f64> = self.scores().iter().filter_map(|scores| scores.f1).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Returns the `count` pairs that were confused most often, the most frequent first. Pairs that were never confused
    /// are left out.
    pub fn most_confused(&self, count: usize) -> Vec<ConfusedPair> {
        let mut pairs: Vec<_> = self.pairs().filter(|pair| pair.label != pair.predicted).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count));
        pairs.truncate(count);
        pairs
    }
}

fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0 is recognised three times and predicted as 1 once, class 1 is never recognised, class 2 has no images,
    /// class 3 is always recognised.
    fn confusion() -> ConfusionMatrix {
        let mut confusion = ConfusionMatrix::new(4);
        for (label, predicted, times) in [(0, 0, 3), (0, 1, 1), (1, 0, 2), (3, 3, 5)] {
            (0..times).for_each(|_| confusion.add(label, predicted));
        }
        confusion
    }

    #[test]
    fn precision_divides_by_predictions_and_recall_by_support() {
        let scores = confusion().scores();
        let first = ClassScores { precision: Some(0.6), recall: Some(0.75), f1: Some(6.0 / 9.0), support: 4 };
        assert_eq!(scores[0], first);
        assert_eq!(
            scores[1],
            ClassScores { precision: Some(0.0), recall: Some(0.0), f1: Some(0.0), support: 2 }
        );
        assert_eq!(scores[2], ClassScores { precision: None, recall: None, f1: None, support: 0 });
        assert_eq!(confusion().macro_f1(), Some((6.0 / 9.0 + 0.0 + 1.0) / 3.0));
    }

    #[test]
    fn balanced_accuracy_is_the_mean_recall_of_the_classes_with_images() {
        assert_eq!(confusion().balanced_accuracy(), Some((0.75 + 0.0 + 1.0) / 3.0));
        assert_eq!(ConfusionMatrix::new(3).balanced_accuracy(), None);
        assert_eq!(confusion().class_counts().values(), [4, 2, 0, 5]);
    }

    #[test]
    fn rows_have_a_number_for_every_pair_of_classes() {
        assert_eq!(confusion().rows(), [[3, 1, 0, 0], [2, 0, 0, 0], [0; 4], [0, 0, 0, 5]]);
        assert_eq!(confusion().count(2, 3), 0);
    }

    #[test]
    fn very_many_classes_take_memory_for_the_pairs_that_occur_only() {
        let mut confusion = ConfusionMatrix::new(1 << 40);
        confusion.add(0, (1 << 40) - 1);
        assert_eq!(confusion.pairs().count(), 1);
    }

    #[test]
    fn pairs_are_ordered_by_count_and_exclude_the_diagonal() {
        let pair = |label, predicted, count| ConfusedPair { label, predicted, count };
        assert_eq!(confusion().most_confused(9), [pair(1, 0, 2), pair(0, 1, 1)]);
        assert_eq!(confusion().most_confused(1), [pair(1, 0, 2)]);
    }
}
