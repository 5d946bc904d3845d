//! How many images each class has, and what that says about an accuracy.

/// The largest class may have this many times the images of the smallest, and this many times those that it would have
/// if all classes had the same, before the images count as imbalanced.
const MAX_RATIO: f64 = 10.0;
const MAX_EXCESS: f64 = 2.0;

/// Standard deviations by which the number of images of a class, in few images drawn from balanced classes, may exceed
/// its mean.
const BALANCED_DEVIATIONS: f64 = 4.0;

/// Standard deviations by which a number of correct predictions must exceed that of a constant prediction to be better.
const CHANCE_DEVIATIONS: f64 = 3.0;

/// The number of images of each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCounts(Vec<usize>);

impl ClassCounts {
    /// The counts of some labels below `classes`.
    ///
    /// # Panics
    /// If a label is not below `classes`.
    pub fn of(labels: &[u16], classes: usize) -> Self {
        let mut counts = vec![0; classes];
        labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        Self(counts)
    }

    /// The number of images of each class, by label.
    pub fn new(counts: Vec<usize>) -> Self {
        Self(counts)
    }

    /// The counts, by label.
    pub fn values(&self) -> &[usize] {
        &self.0
    }

    /// The number of all images.
    pub fn images(&self) -> usize {
        self.0.iter().sum()
    }

    /// The class with the most images, the first if several have as many, and its share of all images; `None` if fewer
    /// than two classes have images.
    pub fn largest(&self) -> Option<(usize, f64)> {
        let largest = *self.0.iter().max()?;
        let class = self.0.iter().position(|&count| count == largest)?;
        (self.present() >= 2).then(|| (class, largest as f64 / self.images() as f64))
    }

    /// Whether some classes have so many more images than others that training may neglect the others: the largest has
    /// more than 10 times the images of the smallest, or more than twice those that it would have if all classes had as
    /// many. Classes without images are ignored, and so is what may be chance with few images.
    pub fn is_imbalanced(&self) -> bool {
        let Some((class, share)) = self.largest() else { return false };
        let (images, largest) = (self.images() as f64, self.0[class] as f64);
        let balanced = 1.0 / self.present() as f64;
        let deviation = (images * balanced * (1.0 - balanced)).sqrt();
        let smallest = self.0.iter().copied().filter(|&count| count > 0).min().unwrap_or(0) as f64;
        largest > images * balanced + BALANCED_DEVIATIONS * deviation
            && (largest > MAX_RATIO * smallest || share > MAX_EXCESS * balanced)
    }

    /// Whether an accuracy on these images is about the share of the largest class, which a model that always predicts
    /// that class reaches too: it is not higher by three standard deviations, nor by half of what is possible.
    pub fn is_at_chance(&self, correct: usize) -> bool {
        self.largest().is_some_and(|(_, share)| {
            let images = self.images() as f64;
            let possible = images * (1.0 - share) / 2.0;
            correct as f64 <= images * share + self.chance_margin(share).min(possible)
        })
    }

    /// Whether the images are enough to tell a useful model from one that always predicts the largest class: an accuracy
    /// halfway between that class's share and 1 is higher than it by three standard deviations.
    pub fn can_tell_chance(&self) -> bool {
        self.largest()
            .is_some_and(|(_, share)| self.chance_margin(share) <= self.images() as f64 * (1.0 - share) / 2.0)
    }

    /// Three standard deviations of the number of correct predictions if each is correct with this probability.
    fn chance_margin(&self, share: f64) -> f64 {
        CHANCE_DEVIATIONS * (self.images() as f64 * share * (1.0 - share)).sqrt()
    }

    /// The number of classes that have images.
    fn present(&self) -> usize {
        self.0.iter().filter(|&&count| count > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_with_many_times_the_images_of_another_is_imbalance() {
        for (counts, imbalanced) in [
            (vec![100, 2], true),
            (vec![20, 1], true),
            (vec![100, 11], false),
            (vec![500, 250, 240, 10], true),
            // More than twice a tenth.
            (vec![300, 100, 100, 100, 100, 100, 100, 100, 100, 100], true),
            (vec![180, 100, 100, 100, 100, 100, 100, 100, 100, 100], false),
            // MNIST.
            (vec![5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], false),
            // The first 50 images of a balanced set.
            (vec![11, 1, 3, 5, 6, 4, 5, 5, 6, 4], false),
            (vec![2, 1, 0, 0, 2], false),
            (vec![7, 0], false),
            (vec![], false),
        ] {
            assert_eq!(ClassCounts::new(counts.clone()).is_imbalanced(), imbalanced, "{counts:?}");
        }
    }

    #[test]
    fn an_accuracy_about_the_share_of_the_largest_class_is_chance() {
        for (counts, correct, chance) in [
            (vec![900, 100], 900, true),
            (vec![900, 100], 880, true),
            (vec![900, 100], 920, true),
            (vec![900, 100], 940, false),
            (vec![100; 10], 100, true),
            (vec![100; 10], 150, false),
            (vec![20, 1], 20, true),
            (vec![20, 1], 21, false),
            (vec![1, 1], 2, false),
            (vec![5, 0], 5, false),
        ] {
            assert_eq!(
                ClassCounts::new(counts.clone()).is_at_chance(correct),
                chance,
                "{counts:?}, {correct}"
            );
        }
    }

    #[test]
    fn few_images_do_not_tell_chance() {
        for (counts, enough) in
            [(vec![20, 1], false), (vec![1, 1, 1], false), (vec![10; 10], true), (vec![50, 50], true)]
        {
            assert_eq!(ClassCounts::new(counts.clone()).can_tell_chance(), enough, "{counts:?}");
        }
    }

    #[test]
    fn the_largest_class_is_the_first_of_equals() {
        let counts = ClassCounts::of(&[2, 1, 2, 1, 0], 4);
        assert_eq!((counts.values(), counts.images()), (&[1, 2, 2, 0][..], 5));
        assert_eq!(counts.largest(), Some((1, 0.4)));
    }
}
