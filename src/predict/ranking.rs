//! Classes ranked by probability.

/// A class and its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedClass {
    /// The class's label, 0 to K − 1.
    pub class: usize,
    /// The class's probability, 0 to 1.
    pub probability: f64,
}

/// Returns the `count` most probable classes of one image, or all K if there are fewer, from its K log-probabilities.
/// The most probable class comes first; of equally probable classes the one with the lower label.
pub(crate) fn top_classes(log_probabilities: &[f32], count: usize) -> Vec<RankedClass> {
    let by_rank =
        |a: &usize, b: &usize| log_probabilities[*b].total_cmp(&log_probabilities[*a]).then_with(|| a.cmp(b));
    let mut classes: Vec<usize> = (0..log_probabilities.len()).collect();
    if count < classes.len() {
        classes.select_nth_unstable_by(count, by_rank);
        classes.truncate(count);
    }
    classes.sort_unstable_by(by_rank);
    let probability = |class: usize| libm::exp(log_probabilities[class].into());
    classes.into_iter().map(|class| RankedClass { class, probability: probability(class) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranked_by_probability_and_ties_by_label() {
        let logs = [0.2f32, 0.3, 0.2, 0.3].map(f32::ln);
        let classes = |count| top_classes(&logs, count).iter().map(|ranked| ranked.class).collect::<Vec<_>>();
        assert_eq!(classes(3), [1, 3, 0]);
        assert_eq!(classes(9), [1, 3, 0, 2]);
        assert!((top_classes(&logs, 1)[0].probability - 0.3).abs() < 1e-7);
    }
}
