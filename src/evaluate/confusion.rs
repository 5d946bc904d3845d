//! Which classes are taken for which.

/// How many images of each class were predicted as each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// K×K: by the label, then by the prediction.
    counts: Vec<u64>,
}

/// How well one class is found. Where a fraction is of nothing, it is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Of the images predicted as this class, the fraction that are.
    pub precision: Option<f64>,
    /// Of the images of this class, the fraction predicted as it.
    pub recall: Option<f64>,
    /// The harmonic mean of both, 2·TP/(2·TP + FP + FN); 0 where the class is there and never found.
    pub f1: Option<f64>,
    /// Images of this class.
    pub support: u64,
}

/// A class that is taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub label: usize,
    pub predicted: usize,
    /// How often.
    pub count: u64,
}

impl Confusion {
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts one image in.
    ///
    /// # Panics
    /// Where either is no class.
    pub fn add(&mut self, label: usize, predicted: usize) {
        assert!(label.max(predicted) < self.classes, "labels and predictions are classes");
        self.counts[label * self.classes + predicted] += 1;
    }

    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.counts[label * self.classes + predicted]
    }

    /// A row for each label: how often each class was predicted.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes)
    }

    /// How well each class is found.
    pub fn scores(&self) -> Vec<Scores> {
        let supports: Vec<u64> = self.rows().map(|row| row.iter().sum()).collect();
        let mut predictions = vec![0; self.classes];
        for row in self.rows() {
            for (sum, count) in predictions.iter_mut().zip(row) {
                *sum += count;
            }
        }
        let of = |class: usize| {
            let (found, support, predicted) = (self.count(class, class), supports[class], predictions[class]);
            Scores {
                precision: fraction(found, predicted),
                recall: fraction(found, support),
                f1: fraction(2 * found, support + predicted),
                support,
            }
        };
        (0..self.classes).map(of).collect()
    }

    /// The mean F1 of the classes that have one (scikit-learn's `f1_score` with `average="macro"`).
    pub fn macro_f1(&self) -> Option<f64> {
        let known: Vec<f64> = self.scores().iter().filter_map(|scores| scores.f1).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// The `most` pairs that were confused most often, the most frequent first, and none that never were.
    pub fn most_confused(&self, most: usize) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = (0..self.counts.len())
            .map(|place| Pair {
                label: place / self.classes,
                predicted: place % self.classes,
                count: self.counts[place],
            })
            .filter(|pair| pair.label != pair.predicted && pair.count > 0)
            .collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count));
        pairs.truncate(most);
        pairs
    }
}

fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of class 0, three are found and one is taken for 1; 1 is never found; 2 never comes; 3 is all there is of it.
    fn confusion() -> Confusion {
        let mut confusion = Confusion::new(4);
        for (label, predicted, times) in [(0, 0, 3), (0, 1, 1), (1, 0, 2), (3, 3, 5)] {
            (0..times).for_each(|_| confusion.add(label, predicted));
        }
        confusion
    }

    #[test]
    fn precision_is_of_what_was_predicted_and_recall_of_what_is_there() {
        let scores = confusion().scores();
        let first = Scores { precision: Some(0.6), recall: Some(0.75), f1: Some(6.0 / 9.0), support: 4 };
        assert_eq!(scores[0], first);
        assert_eq!(scores[1], Scores { precision: Some(0.0), recall: Some(0.0), f1: Some(0.0), support: 2 });
        assert_eq!(scores[2], Scores { precision: None, recall: None, f1: None, support: 0 });
        assert_eq!(confusion().macro_f1(), Some((6.0 / 9.0 + 0.0 + 1.0) / 3.0));
    }

    #[test]
    fn the_pair_confused_most_often_comes_first_and_what_is_right_is_none() {
        let pair = |label, predicted, count| Pair { label, predicted, count };
        assert_eq!(confusion().most_confused(9), [pair(1, 0, 2), pair(0, 1, 1)]);
        assert_eq!(confusion().most_confused(1), [pair(1, 0, 2)]);
    }
}
