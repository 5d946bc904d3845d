//! Initial parameters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parameters::{LayerKind, ParameterTable, Tensor, TensorRole};
use crate::random::{Draws, Purpose};

/// A scheme for initial parameters. U(a, b) is the uniform and N(0, 1) the normal distribution. Fan-in is the number
/// of inputs of one output, fan-out the number of outputs that depend on one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// PyTorch's default: weights and biases U(−1, 1)/√fan-in.
    #[default]
    Pytorch,
    /// He et al. 2015: weights √(2/fan-in)·N(0, 1), biases 0.
    Kaiming,
    /// Glorot and Bengio 2010: weights √(6/(fan-in + fan-out))·U(−1, 1), biases 0.
    Xavier,
    /// The paper's first listing: filters U(−1, 1)/f², their biases 1; dense layers 0.01·N(0, 1).
    PaperUniform,
    /// The paper's second listing: filters 0.01·N(0, 1), their biases 0; dense layers 0.01·N(0, 1).
    PaperNormal,
}

impl Init {
    /// Every initialisation.
    pub const ALL: [Self; 5] =
        [Self::Pytorch, Self::Kaiming, Self::Xavier, Self::PaperUniform, Self::PaperNormal];

    /// Draws all parameters of a network. Each tensor has a random stream of its own: its values depend on the seed
    /// and on its position in the table, not on other tensors.
    pub fn arena(self, table: &ParameterTable, seed: u64) -> Vec<f32> {
        let mut arena = Vec::with_capacity(table.arena_len());
        for (tensor, stream) in table.tensors().iter().zip(0..) {
            let distribution = self.distribution(tensor);
            let mut draws = Draws::new(Purpose::Parameters, seed, stream);
            arena.extend((0..tensor.len()).map(|_| distribution.draw(&mut draws) as f32));
        }
        arena
    }

    fn distribution(self, tensor: &Tensor) -> Distribution {
        use LayerKind::{Conv, Dense};
        use TensorRole::{Bias, NormBias, NormWeight, RunningMean, RunningVar, Weight};

        let (fan_in, fan_out) = (tensor.fan_in as f64, tensor.fan_out as f64);
        match (self, tensor.kind, tensor.role) {
            // Batch normalisation starts as the plain normalisation, without scale or shift.
            (_, _, NormWeight | RunningVar) => Distribution::Constant(1.0),
            (_, _, NormBias | RunningMean) => Distribution::Constant(0.0),
            (Self::Pytorch, ..) => Distribution::Uniform(1.0 / fan_in.sqrt()),
            (Self::Kaiming, _, Weight) => Distribution::Normal((2.0 / fan_in).sqrt()),
            (Self::Xavier, _, Weight) => Distribution::Uniform((6.0 / (fan_in + fan_out)).sqrt()),
            (Self::Kaiming | Self::Xavier, _, Bias) => Distribution::Constant(0.0),
            (Self::PaperUniform, Conv, Weight) => Distribution::Uniform(1.0 / filter_area(tensor)),
            (Self::PaperUniform, Conv, Bias) => Distribution::Constant(1.0),
            (Self::PaperNormal, Conv, Bias) => Distribution::Constant(0.0),
            (Self::PaperNormal, Conv, Weight) | (Self::PaperUniform | Self::PaperNormal, Dense, _) => {
                Distribution::Normal(0.01)
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

/// The error for a string that is not the name of an [`Init`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown initialisation {name:?}; use pytorch, kaiming, xavier, paper-uniform or paper-normal")]
pub struct UnknownInit {
    name: String,
}

/// The area of a square filter.
fn filter_area(tensor: &Tensor) -> f64 {
    tensor.shape[2..].iter().product::<usize>() as f64
}

/// The distribution of a tensor's values.
enum Distribution {
    Constant(f64),
    /// Uniform in [−bound, bound).
    Uniform(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

impl Distribution {
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

    /// The initial values of one tensor.
    fn values(init: Init, name: &str) -> Vec<f32> {
        let table = ParameterTable::new(&NETWORK);
        init.arena(&table, 0)[table.get(name).range()].to_vec()
    }

    /// Values are within ±bound, come close to both bounds, and have the variance of a uniform distribution.
    #[track_caller]
    fn assert_uniform(values: &[f32], bound: f64) {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value) / bound).collect();
        let (min, max) = values.iter().fold((1f64, -1f64), |(a, b), &v| (a.min(v), b.max(v)));
        assert!((-1.000001..-0.85).contains(&min) && (0.85..1.000001).contains(&max), "{min} {max}");
        assert_moments(&values, 1.0 / 3.0);
    }

    #[track_caller]
    fn assert_normal(values: &[f32], deviation: f64) {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value) / deviation).collect();
        assert_moments(&values, 1.0);
    }

    /// The mean is 0 and the variance as given, within four standard errors of a normal distribution.
    #[track_caller]
    fn assert_moments(values: &[f64], variance: f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let found = values.iter().map(|value| value * value).sum::<f64>() / count;
        assert!(mean.abs() < 4.0 * (variance / count).sqrt(), "mean {mean}");
        assert!((found / variance - 1.0).abs() < 4.0 * (2.0 / count).sqrt(), "variance {found}");
    }

    #[test]
    fn pytorch_init_is_uniform_within_one_over_root_fan_in() {
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
    fn kaiming_is_normal_and_xavier_uniform_with_zero_biases() {
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
    fn paper_inits_match_the_listings() {
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
    fn initial_values_for_a_seed_are_stable() {
        assert_eq!(values(Init::Pytorch, "conv1.weight")[..3], [-0.06670627, 0.018336901, 0.081198685]);
        assert_eq!(values(Init::Pytorch, "fc3.bias")[..3], [0.022415224, 0.07697759, 0.003724324]);
        assert_eq!(values(Init::Kaiming, "fc1.weight")[..3], [-0.04282784, 0.03482153, 0.16380236]);
    }

    #[test]
    fn initial_values_of_a_tensor_do_not_depend_on_other_tensors() {
        let colour = ParameterTable::new(&LeNet5::new(3, 7));
        let arena = Init::Pytorch.arena(&colour, 0);
        assert_eq!(arena[colour.get("fc1.weight").range()], values(Init::Pytorch, "fc1.weight"));
    }

    #[test]
    fn batch_norm_starts_as_plain_normalisation() {
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
