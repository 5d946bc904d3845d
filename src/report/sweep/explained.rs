//! How much of the differences between settings an option explains.

/// The fraction of the variance of `values` between groups, corrected for the number of groups (the adjusted R² of a
/// one-way analysis of variance). `groups` has the group of each value. `None` if every group has one value, or all values
/// are the same: then nothing can be said. Values that are not finite do not count.
pub fn explained(values: &[f64], groups: &[usize]) -> Option<f64> {
    let pairs: Vec<(f64, usize)> =
        values.iter().zip(groups).filter(|(value, _)| value.is_finite()).map(|(v, g)| (*v, *g)).collect();
    let count = pairs.len();
    let mean = pairs.iter().map(|(value, _)| value).sum::<f64>() / count as f64;
    let mut sums = vec![(0.0, 0usize); pairs.iter().map(|(_, group)| group + 1).max()?];
    for &(value, group) in &pairs {
        sums[group].0 += value;
        sums[group].1 += 1;
    }
    let used = sums.iter().filter(|(_, number)| *number > 0).count();
    if count <= used {
        return None;
    }
    let total: f64 = pairs.iter().map(|(value, _)| (value - mean) * (value - mean)).sum();
    let within = pairs.iter().map(|&(value, group)| {
        let difference = value - sums[group].0 / sums[group].1 as f64;
        difference * difference
    });
    let within: f64 = within.sum();
    // Rounding errors are no differences.
    if total <= 1e-20 * mean * mean * count as f64 {
        return None;
    }
    let unexplained = (within / (count - used) as f64) / (total / (count - 1) as f64);
    Some((1.0 - unexplained).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_explains_all_some_or_nothing() {
        let groups = [0, 0, 1, 1];
        assert_eq!(explained(&[1.0, 1.0, 3.0, 3.0], &groups), Some(1.0));
        assert_eq!(explained(&[1.0, 3.0, 1.0, 3.0], &groups), Some(0.0));
        let some = explained(&[1.0, 2.0, 3.0, 4.0], &groups).unwrap();
        // Within: 1 / 2 degrees of freedom; in total: 5 / 3.
        assert!((some - 0.7).abs() < 1e-12, "{some}");
        assert_eq!(explained(&[1.0, 2.0], &[0, 1]), None);
        assert_eq!(explained(&[0.3, 0.3, 0.3], &[0, 1, 1]), None);
        assert_eq!(explained(&[], &[]), None);
        assert_eq!(explained(&[f64::NAN, 1.0, 1.0, 3.0, 3.0], &[5, 0, 0, 1, 1]), Some(1.0));
    }
}
