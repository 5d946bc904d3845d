//! Matches the classes of test images with those of a model: by name, because folders number their classes in the order of
//! their names, and another folder may have only some of them.

use std::collections::BTreeMap;

use crate::cli::{Failure, notice};
use crate::data::{DatasetKind, ImageSet};
use crate::model::Model;

/// The most classes of a model that a message lists.
const LISTED: usize = 10;

/// Replaces the labels of `images`, whose classes have the names `data`, by those of the same names in `model`. A model's
/// classes without names, and digits, are called by their numbers. Labels are taken as they are if nothing is known about
/// the classes of the data set or of another program's model.
pub fn match_labels(
    model: &Model,
    kind: Option<DatasetKind>,
    data: Option<&[String]>,
    images: &mut ImageSet,
) -> Result<(), Failure> {
    let Some(of_model) = model.info.classes(model.network.classes) else { return Ok(()) };
    let are_digits = kind.is_some_and(|kind| kind.classes() == Some(10) && kind.class_names().is_none());
    if data.is_none() && !are_digits {
        if model.info.class_names.is_some() {
            notice::warning(
                "the classes of the data set have no names, so its labels are taken as the numbers of the model's classes",
            );
        }
        return Ok(());
    }
    let of_data = |label: u16| {
        let named = data.and_then(|names| names.get(usize::from(label)));
        named.cloned().unwrap_or_else(|| label.to_string())
    };
    let mut labels = BTreeMap::new();
    for &label in &images.labels {
        if labels.contains_key(&label) {
            continue;
        }
        let name = of_data(label);
        // Names that are not UTF-8 may look alike, so the class of the same number comes first.
        let class = match of_model.get(usize::from(label)) == Some(&name) {
            true => Some(usize::from(label)),
            false => of_model.iter().position(|known| *known == name),
        };
        let class =
            class.and_then(|class| u16::try_from(class).ok()).ok_or_else(|| unknown(&name, &of_model))?;
        labels.insert(label, class);
    }
    for label in &mut images.labels {
        *label = labels[label];
    }
    Ok(())
}

fn unknown(name: &str, of_model: &[String]) -> Failure {
    let names: Vec<_> = of_model.iter().take(LISTED).map(|name| format!("{name:?}")).collect();
    let more = match of_model.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Failure::usage(
        format!("the data set has a class {name:?}, but the model's classes are {}{more}", names.join(", ")),
        "use images of the model's classes, in folders of the same names; --dataset KIND names the classes of a known set",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeNet5, ModelInfo};

    /// Selects MNIST, whose classes have no names but digits.
    const DIGITS: &str = "MNIST";

    fn names(text: &str) -> Option<Vec<String>> {
        (!text.is_empty()).then(|| text.split(' ').map(str::to_owned).collect())
    }

    /// The labels 0 to K − 1 of a data set as those of a model.
    fn matched(model: &str, data: &str, labels: Vec<u16>) -> Result<Vec<u16>, String> {
        let kind = (data == DIGITS).then_some(DatasetKind::Mnist);
        let data = if data == DIGITS { "" } else { data };
        let info = ModelInfo { dataset: Some("x".into()), class_names: names(model), ..ModelInfo::default() };
        let model = Model { network: LeNet5::new(1, 10), parameters: Vec::new(), info };
        let mut images = ImageSet::new(1, 1, 1, vec![0; labels.len()], labels).unwrap();
        let result = match_labels(&model, kind, names(data).as_deref(), &mut images);
        result.map(|()| images.labels).map_err(|failure| failure.to_string())
    }

    #[test]
    fn classes_are_matched_by_name() {
        let letters = "a b c d e f g h i j";
        assert_eq!(matched(letters, letters, vec![0, 9]), Ok(vec![0, 9]));
        assert_eq!(matched(letters, "b d j", vec![2, 0, 1]), Ok(vec![9, 1, 3]));
        assert_eq!(matched("", "0 2 7", vec![0, 1, 2]), Ok(vec![0, 2, 7]));
        assert_eq!(matched("", DIGITS, vec![4]), Ok(vec![4]));
        // Nothing is known about the classes of other data.
        assert_eq!(matched(letters, "", vec![4]), Ok(vec![4]));
        // Classes without images need no match.
        assert_eq!(matched(letters, "a x", vec![0, 0]), Ok(vec![0, 0]));
    }

    #[test]
    fn a_class_that_the_model_does_not_have_is_an_error() {
        for (model, data) in
            [("a b c d e f g h i j", "a x"), ("a b c d e f g h i j", DIGITS), ("", "one two")]
        {
            let message = matched(model, data, vec![0, 1]).unwrap_err();
            assert!(message.contains("but the model's classes are"), "{message}");
        }
    }

    #[test]
    fn the_classes_of_an_unknown_model_are_taken_as_they_are() {
        let model = Model { network: LeNet5::new(1, 10), parameters: Vec::new(), info: ModelInfo::default() };
        let mut images = ImageSet::new(1, 1, 1, vec![0], vec![3]).unwrap();
        match_labels(&model, None, names("a b c d").as_deref(), &mut images).unwrap();
        assert_eq!(images.labels, [3]);
    }
}
