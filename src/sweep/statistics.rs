//! The results of settings over their seeds, and whether the best two differ by more than noise.

use std::cmp::Ordering;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{MemberResult, MemberStatus, Metric, Plan};
use crate::wording::{count, whole};

/// Differences with a smaller p-value are called significant.
const LEVEL: f64 = 0.05;

/// What came of the members of a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingSummary {
    /// The index of the setting in [`Plan::settings`].
    pub setting: usize,
    /// The metric of each finished member, in the order of the seeds; if none has finished, that of each eliminated one
    /// after its last epoch.
    pub metrics: Vec<f64>,
    /// Their mean; `None` if there are none.
    pub mean: Option<f64>,
    /// Their sample standard deviation (divided by n − 1); `None` below two members.
    pub deviation: Option<f64>,
    /// The lowest metric.
    pub min: Option<f64>,
    /// The highest metric.
    pub max: Option<f64>,
    /// Number of finished members.
    pub finished: usize,
    /// Number of failed members.
    pub failed: usize,
    /// Number of members that successive halving ended.
    pub eliminated: usize,
    /// Number of members without a result.
    pub missing: usize,
    /// The number of epochs that all members with a result have completed.
    pub epochs: u64,
}

impl SettingSummary {
    /// Summarises the results of one setting, in the order of the seeds.
    fn of(setting: usize, seeds: usize, metric: Metric, results: &[&MemberResult]) -> Self {
        let number = |status| results.iter().filter(|result| result.status == status).count();
        let finished = number(MemberStatus::Finished);
        let (failed, eliminated) = (number(MemberStatus::Failed), number(MemberStatus::Eliminated));
        let counted = if finished > 0 { MemberStatus::Finished } else { MemberStatus::Eliminated };
        let metrics: Vec<f64> = results
            .iter()
            .filter(|result| result.status == counted)
            .filter_map(|result| metric.of(result.last()?))
            .filter(|metric| metric.is_finite())
            .collect();
        Self {
            setting,
            mean: mean(&metrics),
            deviation: deviation(&metrics),
            min: metrics.iter().copied().reduce(f64::min),
            max: metrics.iter().copied().reduce(f64::max),
            metrics,
            finished,
            failed,
            eliminated,
            missing: seeds.saturating_sub(results.len()),
            epochs: results.iter().map(|result| result.epochs.len() as u64).min().unwrap_or_default(),
        }
    }

    /// How the setting ended, for the order: less is better.
    fn class(&self) -> u8 {
        match self {
            Self { mean: None, .. } => 3,
            Self { finished: 0, .. } => 2,
            Self { failed: 1.., .. } => 1,
            _ => 0,
        }
    }

    fn compare(&self, other: &Self, metric: Metric) -> Ordering {
        let epochs = |summary: &Self| if summary.class() == 2 { summary.epochs } else { 0 };
        let cost = |summary: &Self| {
            let mean = summary.mean.unwrap_or_default();
            if metric.is_accuracy() { -mean } else { mean }
        };
        self.class()
            .cmp(&other.class())
            .then(epochs(other).cmp(&epochs(self)))
            .then(cost(self).total_cmp(&cost(other)))
            .then(self.setting.cmp(&other.setting))
    }
}

/// Summarises all settings, the best first: those whose members have finished, by their mean; then those with failed
/// members, by the mean of the others; then those that successive halving ended, the later the better; then those
/// without results.
pub fn ranking(plan: &Plan, metric: Metric, results: &[MemberResult]) -> Vec<SettingSummary> {
    let mut by_setting = vec![Vec::new(); plan.settings.len()];
    for result in results {
        if let Some(setting) = by_setting.get_mut(result.setting) {
            setting.push(result);
        }
    }
    let mut ranking: Vec<_> = by_setting
        .iter_mut()
        .enumerate()
        .map(|(setting, results)| {
            results.sort_by_key(|result| result.member);
            SettingSummary::of(setting, plan.seeds.len(), metric, results)
        })
        .collect();
    ranking.sort_by(|one, other| one.compare(other, metric));
    ranking
}

/// The finished member with the best metric of the best setting; its model is the sweep's model. `None` if no member has
/// finished.
pub fn best_member<'a>(
    ranking: &[SettingSummary],
    metric: Metric,
    results: &'a [MemberResult],
) -> Option<&'a MemberResult> {
    let best = ranking.first().filter(|best| best.finished > 0)?;
    let members = results.iter().filter(|result| result.setting == best.setting);
    let cost = |value: f64| if metric.is_accuracy() { -value } else { value };
    members
        .filter_map(|result| Some((cost(result.final_metric(metric)?), result)))
        .min_by(|(one, first), (other, second)| one.total_cmp(other).then(first.member.cmp(&second.member)))
        .map(|(_, result)| result)
}

/// A metric for people: accuracies in percent.
pub fn shown(metric: Metric, value: f64) -> String {
    if metric.is_accuracy() { format!("{:.2} %", 100.0 * value) } else { format!("{value:.4}") }
}

/// Whether the best two settings differ by more than noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The p-value of the test; `None` if it could not be done.
    pub p: Option<f64>,
    /// Whether p is below 0.05.
    pub is_significant: bool,
    /// The finding in plain English, with the test and what it assumes; one to three sentences.
    pub statement: String,
}

impl Comparison {
    fn without_test(statement: impl Into<String>) -> Self {
        Self { p: None, is_significant: false, statement: statement.into() }
    }
}

/// Compares the best two settings of a ranking by Welch's t-test.
pub fn compare(ranking: &[SettingSummary], metric: Metric) -> Comparison {
    let finished: Vec<_> =
        ranking.iter().filter(|summary| summary.finished > 0 && summary.mean.is_some()).collect();
    let [best, second, ..] = finished[..] else {
        return Comparison::without_test(match (finished.len(), ranking.len()) {
            (0, _) => "No member has finished, so there is nothing to compare.",
            (_, 1) => "There is only one setting, so there is nothing to compare it with.",
            _ => "Only one setting was trained to the end, so there is nothing to compare it with.",
        });
    };
    let difference = (best.mean.unwrap_or_default() - second.mean.unwrap_or_default()).abs();
    let by = shown_difference(metric, difference);
    let counts = (best.metrics.len(), second.metrics.len());
    let Some(test) = Welch::of(&best.metrics, &second.metrics) else {
        return Comparison::without_test(match counts {
            (1, 1) => format!("The best two settings differ by {by}, with one run each: the difference may be noise. Vary the seed to find out."),
            (1, _) | (_, 1) => format!("The best two settings differ by {by}, but one of them has a single run: the difference may be noise. Use at least two seeds for each setting."),
            _ if difference == 0.0 => {
                "All runs of the best two settings have the same result: a tie, and there is no noise to test against.".to_owned()
            }
            _ => format!(
                "The best two settings differ by {by}, and the runs of each have all the same result, so there is no noise to test against."
            ),
        });
    };
    let is_significant = test.p < LEVEL;
    let finding = match is_significant {
        true => format!("The best two settings differ by {by}, more than noise explains"),
        false if difference == 0.0 => "The best two settings are tied".to_owned(),
        false => format!("The best two settings differ by {by}, which may be noise"),
    };
    let mut statement = format!(
        "{finding} (Welch's t-test, two-sided: p {}, t = {:.2} with {:.1} degrees of freedom, from {} and {}; it assumes that \
         results over seeds are about normally distributed).",
        shown_p(test.p),
        test.t.abs(),
        test.freedom,
        counts.0,
        count(counts.1, "run")
    );
    if finished.len() > 2 {
        statement += &format!(
            " The two are the best of {} settings, for which p is not corrected; confirm a close result with new seeds.",
            whole(finished.len() as u64)
        );
    }
    Comparison { p: Some(test.p), is_significant, statement }
}

/// "0.12 percentage points", or a difference of losses.
fn shown_difference(metric: Metric, difference: f64) -> String {
    if !metric.is_accuracy() {
        return format!("{difference:.4}");
    }
    match format!("{:.2}", 100.0 * difference).as_str() {
        "0.00" if difference > 0.0 => "less than 0.01 percentage points".to_owned(),
        points => format!("{points} percentage points"),
    }
}

/// "= 0.042", or "< 0.001".
fn shown_p(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation, exactly 0 for equal values.
fn deviation(values: &[f64]) -> Option<f64> {
    Some(variance(values)?.sqrt())
}

/// The sample variance. A value is subtracted first, so that equal values have a variance of exactly 0.
fn variance(values: &[f64]) -> Option<f64> {
    let [first, _, ..] = values else { return None };
    let shifted: Vec<f64> = values.iter().map(|value| value - first).collect();
    let mean = mean(&shifted)?;
    let squares = shifted.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    Some(squares / (values.len() - 1) as f64)
}

/// Welch's t-test of the difference of two means ("The generalization of 'Student's' problem when several different
/// population variances are involved", 1947).
#[derive(Debug, Clone, Copy)]
struct Welch {
    t: f64,
    /// The degrees of freedom, by the equation of Welch and Satterthwaite.
    freedom: f64,
    /// Two-sided.
    p: f64,
}

impl Welch {
    /// Returns `None` if a sample has fewer than two values, or both have no variance.
    fn of(one: &[f64], other: &[f64]) -> Option<Self> {
        // The squares of the standard errors of the means.
        let error = |values: &[f64]| Some(variance(values)? / values.len() as f64);
        let (first, second) = (error(one)?, error(other)?);
        let squared = first + second;
        if squared <= 0.0 {
            return None;
        }
        let t = (mean(one)? - mean(other)?) / squared.sqrt();
        let part = |error: f64, values: &[f64]| {
            let share = error / squared;
            share * share / (values.len() - 1) as f64
        };
        let freedom = 1.0 / (part(first, one) + part(second, other));
        let p = 2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.cdf(-t.abs());
        Some(Self { t, freedom, p })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Variation;
    use crate::train::EpochRecord;

    fn result(member: usize, seeds: usize, status: MemberStatus, accuracies: &[f64]) -> MemberResult {
        let record = |(index, &test_accuracy): (usize, &f64)| EpochRecord {
            epoch: index as u64 + 1,
            test_accuracy,
            test_loss: 1.0 - test_accuracy,
            ..EpochRecord::default()
        };
        MemberResult {
            member,
            setting: member / seeds,
            seed: (member % seeds) as u64,
            options: Vec::new(),
            status,
            error: None,
            run: String::new(),
            epochs: accuracies.iter().enumerate().map(record).collect(),
            seconds: 1.0,
        }
    }

    /// The results of settings whose members have finished.
    fn ranked(settings: &[&[f64]]) -> (Vec<SettingSummary>, Vec<MemberResult>) {
        let seeds = settings.iter().map(|metrics| metrics.len()).max().unwrap();
        let results: Vec<_> = settings
            .iter()
            .enumerate()
            .flat_map(|(setting, metrics)| {
                metrics.iter().enumerate().map(move |(index, metric)| {
                    result(setting * seeds + index, seeds, MemberStatus::Finished, &[*metric])
                })
            })
            .collect();
        (ranking(&plan(settings.len(), seeds), Metric::TestAccuracy, &results), results)
    }

    fn plan(settings: usize, seeds: usize) -> Plan {
        let varied = [format!("lr=1..{settings}"), format!("seed=1..{seeds}")];
        Plan::grid(&varied.map(|text| Variation::parse(&text).unwrap()), 0).unwrap()
    }

    fn compared(settings: &[&[f64]]) -> Comparison {
        compare(&ranked(settings).0, Metric::TestAccuracy)
    }

    /// Samples, t, degrees of freedom and p, from SciPy 1.17.1:
    /// `r = scipy.stats.ttest_ind(one, other, equal_var=False); print(r.statistic, r.df, r.pvalue)`.
    type Case = (&'static [f64], &'static [f64], f64, f64, f64);
    const SCIPY: [Case; 6] = [
        (
            &[0.991, 0.992, 0.990, 0.9915, 0.9905],
            &[0.988, 0.989, 0.9885, 0.990, 0.987],
            4.08248290463872,
            7.199999999999999,
            0.004403560669834169,
        ),
        (&[0.9, 0.91], &[0.89, 0.90], std::f64::consts::SQRT_2, 2.0, 0.2928932188134525),
        (
            &[0.75, 0.76, 0.745],
            &[0.7501, 0.7502, 0.7503, 0.7504, 0.7505, 0.7506, 0.7507],
            0.2872037687746046,
            2.001371585252379,
            0.8009625265101069,
        ),
        (
            &[0.031, 0.030, 0.029],
            &[0.05, 0.052, 0.047, 0.049],
            -16.383276983127725,
            4.4922279792746105,
            3.53318617225062e-05,
        ),
        (
            &[1.0, 2.0, 3.0, 4.0],
            &[101.0, 102.5, 103.0, 104.5],
            -103.53775478861162,
            5.926829268292683,
            6.977815089873963e-11,
        ),
        (&[0.5, 0.5, 0.5], &[0.4, 0.45, 0.38], 4.323460152737354, 2.0, 0.049554985858170086),
    ];

    #[test]
    fn welchs_test_agrees_with_scipy() {
        for (one, other, t, freedom, p) in SCIPY {
            let test = Welch::of(one, other).unwrap();
            for (ours, theirs) in [(test.t, t), (test.freedom, freedom), (test.p, p)] {
                assert!((ours - theirs).abs() <= 1e-9 * theirs.abs(), "{ours} {theirs}: {one:?} {other:?}");
            }
            let reversed = Welch::of(other, one).unwrap();
            assert_eq!((reversed.t, reversed.p), (-test.t, test.p));
        }
    }

    #[test]
    fn a_setting_has_a_mean_a_deviation_and_a_range() {
        let (ranking, results) = ranked(&[&[0.90, 0.92, 0.94], &[0.95, 0.93, 0.97]]);
        assert_eq!(ranking.iter().map(|summary| summary.setting).collect::<Vec<_>>(), [1, 0]);
        let best = &ranking[0];
        assert!((best.mean.unwrap() - 0.95).abs() < 1e-15 && (best.deviation.unwrap() - 0.02).abs() < 1e-15);
        assert_eq!((best.min, best.max, best.finished), (Some(0.93), Some(0.97), 3));
        assert_eq!(best_member(&ranking, Metric::TestAccuracy, &results).unwrap().member, 5);
        // The best by its loss has the highest accuracy here.
        assert_eq!(best_member(&ranking, Metric::TestLoss, &results).unwrap().member, 5);
    }

    #[test]
    fn equal_results_have_a_deviation_of_exactly_zero() {
        let (ranking, _) = ranked(&[&[0.1, 0.1, 0.1]]);
        assert_eq!(ranking[0].deviation, Some(0.0));
        assert_eq!(ranked(&[&[0.1]]).0[0].deviation, None);
    }

    #[test]
    fn failed_eliminated_and_missing_settings_come_after_finished_ones() {
        use MemberStatus::{Eliminated, Failed, Finished};
        let results = [
            result(0, 2, Finished, &[0.99]),
            result(1, 2, Failed, &[]),
            result(2, 2, Eliminated, &[0.9]),
            result(3, 2, Eliminated, &[0.8]),
            result(5, 2, Failed, &[0.9]),
            result(6, 2, Finished, &[0.5]),
            result(7, 2, Finished, &[0.5]),
            result(8, 2, Eliminated, &[0.1, 0.2, 0.3]),
            result(9, 2, Eliminated, &[0.1, 0.2, 0.5]),
        ];
        let ranking = ranking(&plan(6, 2), Metric::TestAccuracy, &results);
        let order: Vec<_> = ranking.iter().map(|summary| summary.setting).collect();
        assert_eq!(order, [3, 0, 4, 1, 2, 5]);
        let eliminated = &ranking[2];
        assert_eq!((eliminated.mean, eliminated.epochs, eliminated.eliminated), (Some(0.4), 3, 2));
        assert_eq!((ranking[1].failed, ranking[4].missing, ranking[5].missing), (1, 1, 2));
        assert_eq!(best_member(&ranking, Metric::TestAccuracy, &results).unwrap().member, 6);
    }

    #[test]
    fn the_statement_names_the_test_its_p_value_and_its_assumption() {
        let (one, other, ..) = SCIPY[0];
        let comparison = compared(&[other, one]);
        assert!(comparison.is_significant);
        assert_eq!(
            comparison.statement,
            "The best two settings differ by 0.25 percentage points, more than noise explains (Welch's t-test, two-sided: \
             p = 0.004, t = 4.08 with 7.2 degrees of freedom, from 5 and 5 runs; it assumes that results over seeds are about normally distributed)."
        );
        let (one, other, ..) = SCIPY[1];
        let comparison = compared(&[one, other, &[0.1, 0.2]]);
        assert!(!comparison.is_significant && comparison.p.is_some_and(|p| (p - 0.2929).abs() < 1e-3));
        let statement = comparison.statement;
        assert!(statement.contains("by 1.00 percentage points, which may be noise"), "{statement}");
        assert!(statement.contains("the best of 3 settings, for which p is not corrected"), "{statement}");
    }

    #[test]
    fn what_cannot_be_tested_is_said() {
        for (settings, expected) in [
            (&[&[0.9][..]][..], "only one setting"),
            (
                &[&[0.9], &[0.8]],
                "10.00 percentage points, with one run each: the difference may be noise. Vary the seed",
            ),
            (&[&[0.9, 0.91], &[0.8]], "one of them has a single run"),
            (&[&[0.9, 0.9], &[0.8, 0.8]], "there is no noise to test against"),
            (&[&[0.9, 0.9], &[0.9, 0.9]], "a tie"),
        ] {
            let comparison = compared(settings);
            assert_eq!((comparison.p, comparison.is_significant), (None, false));
            assert!(comparison.statement.contains(expected), "{}", comparison.statement);
        }
        let nothing = compare(&ranking(&plan(2, 1), Metric::TestLoss, &[]), Metric::TestLoss);
        assert!(nothing.statement.starts_with("No member has finished"));
        let tied = compared(&[&[0.25, 0.75], &[0.75, 0.25]]);
        assert_eq!((tied.p, tied.is_significant), (Some(1.0), false));
        assert!(tied.statement.starts_with("The best two settings are tied (Welch's"), "{}", tied.statement);
        let close = compared(&[&[0.9, 0.90001], &[0.9, 0.9]]);
        assert!(close.statement.contains("by less than 0.01 percentage points"), "{}", close.statement);
    }
}
