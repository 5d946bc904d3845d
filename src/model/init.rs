//! The parameters that training starts from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parameters::{LayerKind, ParameterTable, Tensor, TensorRole};
use crate::random::{Draws, Purpose};

/// How initial parameters are drawn. U(a, b) is uniform, N(0, 1) normal; fan-in is the number of
/// inputs that one output sums over, fan-out the number of outputs that one input goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// PyTorch's default: U(−1, 1)/√fan-in for weights and biases
    #[default]
    Pytorch,
    /// He et al. 2015: weights √(2/fan-in)·N(0, 1), biases 0
    Kaiming,
    /// Glorot and Bengio 2010: weights √(6/(fan-in + fan-out))·U(−1, 1), biases 0
    Xavier,
    /// The paper's first listing: filters U(−1, 1)/f² with biases 1, dense layers 0.01·N(0, 1)
    PaperUniform,
    /// The paper's second listing: filters 0.01·N(0, 1) with biases 0, dense layers 0.01·N(0, 1)
    PaperNormal,
}

impl Init {
    /// Every initialisation.
    pub const ALL: [Self; 5] =
        [Self::Pytorch, Self::Kaiming, Self::Xavier, Self::PaperUniform, Self::PaperNormal];

    /// Draws all parameters of a network. A tensor's values depend on its place in the table and on
    /// the seed, and not on other tensors: each has its own stream.
    pub fn arena(self, table: &ParameterTable, seed: u64) -> Vec<f32> {
        let mut arena = Vec::with_capacity(table.arena_len());
        for (tensor, stream) in table.tensors().iter().zip(0..) {
            let law = self.law(tensor);
            let mut draws = Draws::new(Purpose::Parameters, seed, stream);
            arena.extend((0..tensor.len()).map(|_| law.draw(&mut draws) as f32));
        }
        arena
    }

    fn law(self, tensor: &Tensor) -> Law {
        use LayerKind::{Conv, Dense};
        use TensorRole::{Bias, NormBias, NormWeight, RunningMean, RunningVar, Weight};

        let (fan_in, fan_out) = (tensor.fan_in as f64, tensor.fan_out as f64);
        match (self, tensor.kind, tensor.role) {
            // At first a batch normalisation changes nothing but what it normalises.
            (_, _, NormWeight | RunningVar) => Law::Constant(1.0),
            (_, _, NormBias | RunningMean) => Law::Constant(0.0),
            (Self::Pytorch, ..) => Law::Uniform(1.0 / fan_in.sqrt()),
            (Self::Kaiming, _, Weight) => Law::Normal((2.0 / fan_in).sqrt()),
            (Self::Xavier, _, Weight) => Law::Uniform((6.0 / (fan_in + fan_out)).sqrt()),
            (Self::Kaiming | Self::Xavier, _, Bias) => Law::Constant(0.0),
            (Self::PaperUniform, Conv, Weight) => Law::Uniform(1.0 / filter_area(tensor)),
            (Self::PaperUniform, Conv, Bias) => Law::Constant(1.0),
            (Self::PaperNormal, Conv, Bias) => Law::Constant(0.0),
            (Self::PaperNormal, Conv, Weight) | (Self::PaperUniform | Self::PaperNormal, Dense, _) => {
                Law::Normal(0.01)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pytorch => "pytorch",
            Self::Kaiming => "kaiming",
            Self::Xavier => "xavier",
            Self::PaperUniform => "paper-uniform",
            Self::PaperNormal => "paper-normal",
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Init {
    type Err = UnknownInit;

    fn from_str(name: &str) -> Result<Self, UnknownInit> {
        Self::ALL
            .into_iter()
            .find(|init| init.name() == name)
            .ok_or_else(|| UnknownInit { name: name.to_owned() })
    }
}

/// A name that is no [`Init`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no initialisation named {name:?}; take pytorch, kaiming, xavier, paper-uniform or paper-normal"
)]
pub struct UnknownInit {
    name: String,
}

/// f², the area of a square filter.
fn filter_area(tensor: &Tensor) -> f64 {
    tensor.shape[2..].iter().product::<usize>() as f64
}

/// What one tensor's values are drawn from.
enum Law {
    Constant(f64),
    /// Uniform up to this magnitude.
    Uniform(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

impl Law {
    fn draw(&self, draws: &mut Draws) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform(bound) => bound * draws.signed_unit(),
            Self::Normal(deviation) => deviation * draws.normal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LeNet5;

    const NETWORK: LeNet5 = LeNet5::new(1, 10);

    /// One tensor's initial values.
    fn values(init: Init, name: &str) -> Vec<f32> {
        let table = ParameterTable::new(&NETWORK);
        init.arena(&table, 0)[table.get(name).range()].to_vec()
    }

    /// Values lie within ±bound, reach near to it on both sides, and have a uniform law's variance.
    #[track_caller]
    fn assert_uniform(values: &[f32], bound: f64) {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value) / bound).collect();
        let (least, most) = values.iter().fold((1f64, -1f64), |(a, b), &v| (a.min(v), b.max(v)));
        assert!((-1.000001..-0.85).contains(&least) && (0.85..1.000001).contains(&most), "{least} {most}");
        assert_moments(&values, 1.0 / 3.0);
    }

    #[track_caller]
    fn assert_normal(values: &[f32], deviation: f64) {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value) / deviation).collect();
        assert_moments(&values, 1.0);
    }

    /// Mean 0 and the variance given, within four standard errors of a normal law.
    #[track_caller]
    fn assert_moments(values: &[f64], variance: f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let found = values.iter().map(|value| value * value).sum::<f64>() / count;
        assert!(mean.abs() < 4.0 * (variance / count).sqrt(), "mean {mean}");
        assert!((found / variance - 1.0).abs() < 4.0 * (2.0 / count).sqrt(), "variance {found}");
    }

    #[test]
    fn pytorchs_weights_and_biases_are_uniform_within_one_over_the_root_of_the_fan_in() {
        for (layer, fan_in) in
            [("conv1", 25.0), ("conv2", 150.0), ("fc1", 400.0), ("fc2", 120.0), ("fc3", 84.0)]
        {
            let bound = 1.0 / f64::sqrt(fan_in);
            assert_uniform(&values(Init::Pytorch, &format!("{layer}.weight")), bound);
            let bias = values(Init::Pytorch, &format!("{layer}.bias"));
            assert!(bias.iter().all(|&b| f64::from(b).abs() <= bound && b != 0.0), "{layer} {bias:?}");
        }
    }

    #[test]
    fn kaimings_weights_are_normal_and_xaviers_uniform_and_their_biases_zero() {
        assert_normal(&values(Init::Kaiming, "conv2.weight"), f64::sqrt(2.0 / 150.0));
        assert_normal(&values(Init::Kaiming, "fc1.weight"), f64::sqrt(2.0 / 400.0));
        assert_uniform(&values(Init::Xavier, "conv2.weight"), f64::sqrt(6.0 / (150.0 + 400.0)));
        assert_uniform(&values(Init::Xavier, "fc2.weight"), f64::sqrt(6.0 / (120.0 + 84.0)));
        for init in [Init::Kaiming, Init::Xavier] {
            for layer in ["conv1", "conv2", "fc1", "fc2", "fc3"] {
                assert!(values(init, &format!("{layer}.bias")).iter().all(|&bias| bias == 0.0));
            }
        }
    }

    #[test]
    fn the_papers_listings_are_as_printed() {
        assert_uniform(&values(Init::PaperUniform, "conv1.weight"), 1.0 / 25.0);
        assert!(values(Init::PaperUniform, "conv2.bias").iter().all(|&bias| bias == 1.0));
        assert_normal(&values(Init::PaperNormal, "conv2.weight"), 0.01);
        assert!(values(Init::PaperNormal, "conv1.bias").iter().all(|&bias| bias == 0.0));
        for init in [Init::PaperUniform, Init::PaperNormal] {
            assert_normal(&values(init, "fc1.weight"), 0.01);
            assert_normal(&values(init, "fc1.bias"), 0.01);
        }
    }

    #[test]
    fn a_seed_gives_these_values_in_every_version() {
        assert_eq!(values(Init::Pytorch, "conv1.weight")[..3], [-0.06670627, 0.018336901, 0.081198685]);
        assert_eq!(values(Init::Pytorch, "fc3.bias")[..3], [0.022415224, 0.07697759, 0.003724324]);
        assert_eq!(values(Init::Kaiming, "fc1.weight")[..3], [-0.04282784, 0.03482153, 0.16380236]);
    }

    #[test]
    fn a_tensors_values_do_not_depend_on_the_sizes_of_others() {
        let colour = ParameterTable::new(&LeNet5::new(3, 7));
        let arena = Init::Pytorch.arena(&colour, 0);
        assert_eq!(arena[colour.get("fc1.weight").range()], values(Init::Pytorch, "fc1.weight"));
    }

    #[test]
    fn a_batch_normalisation_starts_from_a_mean_of_0_and_a_variance_of_1_by_every_law() {
        let table = ParameterTable::new(&LeNet5 { batch_norm: true, ..NETWORK });
        for init in Init::ALL {
            let arena = init.arena(&table, 0);
            let plain = init.arena(&ParameterTable::new(&NETWORK), 0);
            assert_eq!(arena[..plain.len()], plain, "{init}");
            for (suffix, expected) in
                [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
            {
                for norm in ["bn1", "bn2", "bn3", "bn4"] {
                    let values = &arena[table.get(&format!("{norm}.{suffix}")).range()];
                    assert!(values.iter().all(|&value| value == expected), "{init} {norm}.{suffix}");
                }
            }
        }
    }

    #[test]
    fn names_are_the_same_for_serde_and_display() {
        for init in Init::ALL {
            let name = init.to_string();
            assert_eq!(name.parse(), Ok(init));
            assert_eq!(serde_json::to_string(&init).unwrap(), format!("{name:?}"));
        }
        assert!("lecun".parse::<Init>().unwrap_err().to_string().contains("kaiming"));
    }
}
