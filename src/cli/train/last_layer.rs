//! Whether the last layer of a trained model is right for a data set.

use crate::data::Dataset;
use crate::model::Model;

/// What becomes of the last layer of a model that is trained on a data set.
#[derive(Debug, PartialEq, Eq)]
pub enum LastLayer {
    /// Both have the same classes.
    Kept,
    /// Both have the same classes in another order; the data set's class i is class `order[i]` of the model.
    Reordered(Vec<usize>),
    /// They have different classes; the field says how they differ.
    New(String),
}

/// Compares the classes of a model with those of a data set. Classes without names are called by their numbers. The
/// classes of a file from another program are unknown, and assumed to be those of the data set if their number is
/// right.
pub fn compare(model: &Model, data: &Dataset) -> LastLayer {
    let classes = model.network.classes;
    if classes != data.classes {
        return LastLayer::New(format!("the model has {classes} classes, the data set has {}", data.classes));
    }
    let Some(before) = model.info.classes(classes) else { return LastLayer::Kept };
    let now =
        data.class_names.clone().unwrap_or_else(|| (0..classes).map(|class| class.to_string()).collect());
    let Some(different) = (0..classes).find(|&class| before[class] != now[class]) else {
        return LastLayer::Kept;
    };
    let order: Option<Vec<_>> =
        now.iter().map(|name| before.iter().position(|known| known == name)).collect();
    let is_permutation = |order: &Vec<usize>| (0..classes).all(|class| order.contains(&class));
    match order.filter(is_permutation) {
        Some(order) => LastLayer::Reordered(order),
        None => LastLayer::New(format!(
            "class {different} is {:?} in the model and {:?} in the data set",
            before[different], now[different]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Conversion, ImageSet};
    use crate::model::{LeNet5, ModelInfo};

    fn names(text: &str) -> Option<Vec<String>> {
        (!text.is_empty()).then(|| text.split(' ').map(str::to_owned).collect())
    }

    fn compared(model: &str, data: &str, classes: usize) -> LastLayer {
        let images = ImageSet::new(1, 28, 28, vec![0; 784], vec![classes as u16 - 1]).unwrap();
        let set = Dataset::from_image_sets("set", images.clone(), images, Conversion::default()).unwrap();
        let info = ModelInfo { dataset: Some("x".into()), class_names: names(model), ..ModelInfo::default() };
        let model = Model { network: LeNet5::new(1, 3), parameters: Vec::new(), info };
        compare(&model, &Dataset { class_names: names(data), ..set })
    }

    #[test]
    fn the_last_layer_is_kept_for_the_same_classes_only() {
        for (model, data) in [("a b c", "a b c"), ("", "0 1 2"), ("0 1 2", ""), ("", "")] {
            assert_eq!(compared(model, data, 3), LastLayer::Kept, "{model}, {data}");
        }
        assert_eq!(compared("a b c", "c a b", 3), LastLayer::Reordered(vec![2, 0, 1]));
        let new = |reason: &str| LastLayer::New(reason.to_owned());
        assert_eq!(compared("a b c", "a b", 2), new("the model has 3 classes, the data set has 2"));
        assert_eq!(compared("", "", 4), new("the model has 3 classes, the data set has 4"));
        let renamed = "class 2 is \"c\" in the model and \"d\" in the data set";
        assert_eq!(compared("a b c", "a b d", 3), new(renamed));
        // Names that are not UTF-8 may be shown alike.
        let alike = "class 0 is \"c\" in the model and \"?\" in the data set";
        assert_eq!(compared("c ? ?", "? ? c", 3), new(alike));
        assert_eq!(compared("", "a 1 2", 3), new("class 0 is \"0\" in the model and \"a\" in the data set"));
    }

    #[test]
    fn the_last_layer_of_a_model_with_unknown_classes_is_kept() {
        let images = ImageSet::new(1, 28, 28, vec![0; 784], vec![2]).unwrap();
        let set = Dataset::from_image_sets("set", images.clone(), images, Conversion::default()).unwrap();
        let model = Model { network: LeNet5::new(1, 3), parameters: Vec::new(), info: ModelInfo::default() };
        assert_eq!(compare(&model, &Dataset { class_names: names("a b c"), ..set }), LastLayer::Kept);
    }
}
