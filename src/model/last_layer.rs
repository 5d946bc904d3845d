//! Adapting a trained model's last layer to other classes.

use super::{Init, LeNet5, Model, ParameterTable, Tensor};

/// The tensors with a row per class.
const LAST_LAYER: [&str; 2] = ["fc3.weight", "fc3.bias"];

impl Model {
    /// Returns the model for `classes` other classes, with the last layer of a new network of this initialisation and
    /// seed. All other parameters are kept; the classes have no names.
    pub fn with_new_last_layer(self, classes: usize, init: Init, seed: u64) -> Self {
        let network = LeNet5 { classes, ..self.network };
        let (before, table) = (ParameterTable::new(&self.network), ParameterTable::new(&network));
        let mut parameters = init.arena(&table, seed);
        for tensor in table.tensors().iter().filter(|tensor| !is_in_last_layer(tensor)) {
            parameters[tensor.range()].copy_from_slice(&self.parameters[before.get(tensor.name).range()]);
        }
        let mut info = self.info;
        info.class_names = None;
        Self { network, parameters, info }
    }

    /// Returns the model with its classes in another order: class i was class `order[i]`.
    ///
    /// # Panics
    /// If `order` is not a permutation of the classes.
    pub fn with_classes_in_order(mut self, order: &[usize]) -> Self {
        let classes = self.network.classes;
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..classes), "the order has every class once");
        let table = ParameterTable::new(&self.network);
        for tensor in LAST_LAYER.map(|name| table.get(name)) {
            let values = &mut self.parameters[tensor.range()];
            let before = values.to_vec();
            let row = tensor.len() / classes;
            for (values, &class) in values.chunks_exact_mut(row).zip(order) {
                values.copy_from_slice(&before[class * row..][..row]);
            }
        }
        if let Some(names) = &mut self.info.class_names {
            *names = order.iter().map(|&class| names[class].clone()).collect();
        }
        self
    }
}

fn is_in_last_layer(tensor: &Tensor) -> bool {
    LAST_LAYER.contains(&tensor.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelInfo;

    /// A model with class names, whose parameters are all different.
    fn model(batch_norm: bool) -> Model {
        let network = LeNet5 { batch_norm, ..LeNet5::new(1, 3) };
        let parameters = (0..ParameterTable::new(&network).arena_len()).map(|index| index as f32).collect();
        let class_names = Some(["a", "b", "c"].map(str::to_owned).to_vec());
        Model { network, parameters, info: ModelInfo { class_names, ..ModelInfo::default() } }
    }

    #[test]
    fn a_new_last_layer_is_that_of_a_new_network_and_the_rest_is_kept() {
        for (batch_norm, classes) in [(false, 2), (true, 2), (false, 12), (true, 12)] {
            let before = model(batch_norm);
            let after = before.clone().with_new_last_layer(classes, Init::Xavier, 7);
            assert_eq!(after.network, LeNet5 { classes, ..before.network });
            assert_eq!(after.info.class_names, None);
            let (old, table) = (ParameterTable::new(&before.network), ParameterTable::new(&after.network));
            let new = Init::Xavier.arena(&table, 7);
            assert_eq!(after.parameters.len(), new.len());
            for tensor in table.tensors() {
                let expected = match tensor.name {
                    "fc3.weight" | "fc3.bias" => &new[tensor.range()],
                    name => &before.parameters[old.get(name).range()],
                };
                assert_eq!(&after.parameters[tensor.range()], expected, "{}", tensor.name);
            }
        }
    }

    #[test]
    fn reordered_classes_take_their_rows_and_names_along() {
        let before = model(true);
        let after = before.clone().with_classes_in_order(&[2, 0, 1]);
        assert_eq!(after.info.class_names.as_ref().unwrap(), &["c", "a", "b"]);
        let table = ParameterTable::new(&before.network);
        let [weight, bias] = LAST_LAYER.map(|name| table.get(name));
        let row = |model: &Model, class| model.parameters[weight.range()][class * 84..][..84].to_vec();
        for (class, was) in [(0, 2), (1, 0), (2, 1)] {
            assert_eq!(row(&after, class), row(&before, was));
            assert_eq!(after.parameters[bias.offset + class], before.parameters[bias.offset + was]);
        }
        assert_eq!(after.parameters[..weight.offset], before.parameters[..weight.offset]);
        assert_eq!(after.parameters[bias.range().end..], before.parameters[bias.range().end..]);
    }
}
