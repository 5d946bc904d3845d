//! What came of the members.

use serde::{Deserialize, Serialize};

use super::{Member, Plan};
use crate::train::EpochRecord;

/// How members are compared: a value of the last epoch's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Accuracy on the validation images.
    ValidationAccuracy,
    /// Loss on the validation images.
    ValidationLoss,
    /// Accuracy on the test images.
    TestAccuracy,
    /// Loss on the test images.
    TestLoss,
}

impl Metric {
    /// Returns the name: `validation-accuracy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidationAccuracy => "validation-accuracy",
            Self::ValidationLoss => "validation-loss",
            Self::TestAccuracy => "test-accuracy",
            Self::TestLoss => "test-loss",
        }
    }

    /// Returns the metric of an epoch; `None` if there are no validation images.
    pub fn of(self, record: &EpochRecord) -> Option<f64> {
        match self {
            Self::ValidationAccuracy => record.validation_accuracy,
            Self::ValidationLoss => record.validation_loss,
            Self::TestAccuracy => Some(record.test_accuracy),
            Self::TestLoss => Some(record.test_loss),
        }
    }

    /// Returns whether a higher value is better.
    pub fn is_accuracy(self) -> bool {
        matches!(self, Self::ValidationAccuracy | Self::TestAccuracy)
    }

    /// Returns whether the metric is measured on the test images, so that choosing by it overestimates the best.
    pub fn uses_test_images(self) -> bool {
        matches!(self, Self::TestAccuracy | Self::TestLoss)
    }
}

/// How a member ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// All steps are done, or an early-stopping rule was met.
    Finished,
    /// Successive halving ended it before its last epoch.
    Eliminated,
    /// An error ended it.
    Failed,
}

/// The result of a member: a line of `sweep.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberResult {
    /// The member's number, from 0.
    pub member: usize,
    /// The index of its setting.
    pub setting: usize,
    /// Its seed.
    pub seed: u64,
    /// The values of the varied options except the seed, as typed, in the order of the variations.
    pub options: Vec<(String, String)>,
    /// How it ended.
    pub status: MemberStatus,
    /// The error that ended it, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The folder of its run, relative to that of the sweep.
    pub run: String,
    /// The records of its epochs, for curves.
    pub epochs: Vec<EpochRecord>,
    /// Seconds spent training. Members that are trained at the same time share the device, so that the sum over members
    /// is more than the time of the sweep.
    pub seconds: f64,
}

impl MemberResult {
    /// Checks that a result that was read is one that a member of the plan can have. Serde checks names and types only.
    ///
    /// # Errors
    /// Returns what is wrong with it, in the words of a sentence about its line.
    pub fn check(&self, plan: &Plan) -> Result<(), String> {
        let members = plan.members().len();
        if self.member >= members {
            return Err(format!(
                "is of member {}; the sweep has members 0 to {}",
                self.member,
                members.saturating_sub(1)
            ));
        }
        let Member { index, setting, seed } = plan.member(self.member);
        if (self.setting, self.seed) != (setting, seed) || self.options != plan.settings[setting].values {
            return Err(format!("has other options than member {index} of the sweep"));
        }
        if !(self.seconds >= 0.0 && self.seconds.is_finite()) {
            return Err("has a time that is not one".to_owned());
        }
        for (index, record) in self.epochs.iter().enumerate() {
            record.check().map_err(|error| format!("is not the result of a member: {error}"))?;
            if record.epoch != index as u64 + 1 {
                return Err(format!("has epoch {} instead of epoch {}", record.epoch, index + 1));
            }
        }
        Ok(())
    }

    /// Returns the record of the last epoch; `None` if none was completed.
    pub fn last(&self) -> Option<&EpochRecord> {
        self.epochs.last()
    }

    /// Returns the metric of a member that did not fail and was not eliminated.
    pub fn final_metric(&self, metric: Metric) -> Option<f64> {
        (self.status == MemberStatus::Finished).then(|| self.last().and_then(|last| metric.of(last)))?
    }
}
