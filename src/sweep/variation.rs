//! What is varied: the name of an option and its values.

/// An option and the values that a sweep gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    /// The name of the option.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// The values of a varied option.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `a,b,c`: these values, as typed.
    List(Vec<String>),
    /// `0..9`: whole numbers, both ends included.
    Range {
        /// The first number.
        first: i64,
        /// The last number.
        last: i64,
    },
    /// `uniform:LOW:HIGH` or `log:LOW:HIGH`: a distribution to draw from; with `:COUNT`, evenly spaced values.
    Interval {
        /// Whether logarithms are evenly distributed instead of the values themselves.
        is_log: bool,
        /// The low end.
        low: f64,
        /// The high end.
        high: f64,
        /// The number of evenly spaced values, both ends included; `None` for a distribution.
        count: Option<usize>,
        /// Whether values are rounded to whole numbers.
        is_whole: bool,
    },
}

/// Why a variation is not one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VariationError {
    /// Not of the form NAME=VALUES.
    #[error("{0:?} is not of the form NAME=VALUES")]
    Form(String),
}

impl Variation {
    /// The name of the seed, whose values repeat each setting.
    pub const SEED: &'static str = "seed";

    /// Parses `NAME=VALUES`.
    ///
    /// # Errors
    /// If there is no name, or the values are not of a known form.
    pub fn parse(text: &str) -> Result<Self, VariationError> {
        let _ = text;
        todo!()
    }

    /// Returns the values as they are typed, without the name.
    pub fn typed_values(&self) -> String {
        todo!()
    }

    /// Returns all values in order; `None` for a distribution.
    pub fn listed(&self) -> Option<Vec<String>> {
        todo!()
    }

    /// Returns whether this is the seed, which repeats each setting instead of making others.
    pub fn is_seed(&self) -> bool {
        self.name == Self::SEED
    }
}
