//! Labels that cannot be right: outside the classes of a known data set, or the only reason for a class.

use std::fmt;

use super::{DataError, Dataset, DatasetKind, ImageSet};

/// The number of ranges of classes that a warning lists.
const MAX_LISTED: usize = 5;

/// Checks that the labels of a file are those of the data set, if it is one whose classes are known. `file` names the file
/// in errors.
pub fn check(
    labels: &[u16],
    named: Option<DatasetKind>,
    file: impl FnOnce() -> String,
) -> Result<(), DataError> {
    let Some((kind, accepted)) = named.and_then(|kind| Some((kind.name(), kind.labels()?))) else {
        return Ok(());
    };
    match labels.iter().position(|label| !accepted.contains(label)) {
        Some(record) => Err(DataError::Label { file: file(), label: labels[record], record, kind, accepted }),
        None => Ok(()),
    }
}

impl Dataset {
    /// The classes without training images, ascending. A network cannot learn them. If labels are numbers from a file,
    /// a single wrong one may be the reason, because the number of classes is the highest label plus 1.
    ///
    /// ```
    /// # use lenet_gpu::data::{Conversion, Dataset, ImageSet};
    /// let images = |labels: Vec<u16>| ImageSet::new(1, 28, 28, vec![0; labels.len() * 28 * 28], labels);
    /// let data = Dataset::from_image_sets("mine", images(vec![0, 1, 4])?, images(vec![0])?, Conversion::default())?;
    /// assert_eq!(data.classes_without_training_images(), [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn classes_without_training_images(&self) -> Vec<usize> {
        without_images(&self.train, self.classes)
    }

    /// Warns of classes without training images.
    pub(super) fn warn_of_empty_classes(&self) {
        let empty = self.classes_without_training_images();
        if !empty.is_empty() {
            let cause = match empty[..] {
                _ if self.kind.and_then(DatasetKind::classes).is_some() => "",
                [0] => "; if there are fewer classes, labels count from 1",
                _ => "; if there are fewer classes, a label is too high",
            };
            log::warn!(
                "{}: {} of {} classes without training images: {}{cause}",
                self.name,
                empty.len(),
                self.classes,
                Ranges(&empty)
            );
        }
    }

    /// Warns of classes without training images that are not in `known`, an ascending list; `cause` is the reason.
    pub(crate) fn warn_of_lost_classes(&self, known: &[usize], cause: &str) {
        let mut lost = self.classes_without_training_images();
        lost.retain(|class| known.binary_search(class).is_err());
        if !lost.is_empty() {
            log::warn!(
                "{cause} leaves {} of {} classes without training images: {}",
                lost.len(),
                self.classes,
                Ranges(&lost)
            );
        }
    }
}

/// The classes that no image belongs to, ascending.
fn without_images(images: &ImageSet, classes: usize) -> Vec<usize> {
    let mut has_images = vec![false; classes.max(images.classes())];
    images.labels.iter().for_each(|&label| has_images[usize::from(label)] = true);
    (0..classes).filter(|&class| !has_images[class]).collect()
}

/// Formats ascending numbers as ranges: `1, 3 to 5, 9`.
struct Ranges<'a>(&'a [usize]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.0.chunk_by(|number, next| number + 1 == *next);
        for (index, range) in ranges.enumerate() {
            let (first, last) = (range[0], range[range.len() - 1]);
            match index {
                0 => {}
                MAX_LISTED => return f.write_str(" and others"),
                _ => f.write_str(", ")?,
            }
            if first == last { write!(f, "{first}")? } else { write!(f, "{first} to {last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_as_ranges_up_to_a_limit() {
        assert_eq!(Ranges(&[7]).to_string(), "7");
        assert_eq!(Ranges(&[1, 3, 4, 5, 9]).to_string(), "1, 3 to 5, 9");
        assert_eq!(Ranges(&[0, 2, 4, 6, 8]).to_string(), "0, 2, 4, 6, 8");
        assert_eq!(Ranges(&[0, 2, 4, 6, 8, 10]).to_string(), "0, 2, 4, 6, 8 and others");
    }
}
