//! Classes by how likely they are.

/// A class and how likely it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    pub class: usize,
    /// From 0 to 1.
    pub probability: f64,
}

/// The `count` likeliest classes of an image, or all where there are fewer, by their log-probabilities `[K]`: the
/// likeliest first, and of equals the lower one.
pub fn ranked(log_probabilities: &[f32], count: usize) -> Vec<Ranked> {
    let likelier =
        |a: &usize, b: &usize| log_probabilities[*b].total_cmp(&log_probabilities[*a]).then_with(|| a.cmp(b));
    let mut classes: Vec<usize> = (0..log_probabilities.len()).collect();
    if count < classes.len() {
        classes.select_nth_unstable_by(count, likelier);
        classes.truncate(count);
    }
    classes.sort_unstable_by(likelier);
    let probability = |class: usize| f64::from(log_probabilities[class]).exp();
    classes.into_iter().map(|class| Ranked { class, probability: probability(class) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_class_comes_first_and_of_equals_the_lower_one() {
        let logs = [0.2f32, 0.3, 0.2, 0.3].map(f32::ln);
        let classes = |count| ranked(&logs, count).iter().map(|one| one.class).collect::<Vec<_>>();
        assert_eq!(classes(3), [1, 3, 0]);
        assert_eq!(classes(9), [1, 3, 0, 2]);
        assert!((ranked(&logs, 1)[0].probability - 0.3).abs() < 1e-7);
    }
}
