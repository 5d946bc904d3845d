//! How much of the differences between settings an option explains.

/// The fraction of the variance of `values` that is between groups. `groups` has the group of each value.
///
/// In a grid, each group has the same values of the other options, so that this is the share of the option (η² of an
/// analysis of variance). If the settings were drawn at random, groups differ by chance too, and the fraction is corrected
/// for their number (the adjusted R²).
///
/// `None` if every group has one value, or all values are the same: then nothing can be said. Values that are not finite
/// do not count.
pub fn explained(values: &[f64], groups: &[usize], is_random: bool) -> Option<f64> {
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
    let correction = if is_random { (count - 1) as f64 / (count - used) as f64 } else { 1.0 };
    let unexplained = correction * within / total;
    Some((1.0 - unexplained).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_explains_all_some_or_nothing() {
        let groups = [0, 0, 1, 1];
        for is_random in [false, true] {
            assert_eq!(explained(&[1.0, 1.0, 3.0, 3.0], &groups, is_random), Some(1.0));
            assert_eq!(explained(&[1.0, 3.0, 1.0, 3.0], &groups, is_random), Some(0.0));
            assert_eq!(explained(&[1.0, 2.0], &[0, 1], is_random), None);
            assert_eq!(explained(&[0.3, 0.3, 0.3], &[0, 1, 1], is_random), None);
            assert_eq!(explained(&[], &[], is_random), None);
            let with_nan = explained(&[f64::NAN, 1.0, 1.0, 3.0, 3.0], &[5, 0, 0, 1, 1], is_random);
            assert_eq!(with_nan, Some(1.0));
        }
        // The sums of squares are 1 within groups and 5 in total, with 2 and 3 degrees of freedom.
        for (is_random, expected) in [(false, 0.8), (true, 0.7)] {
            let some = explained(&[1.0, 2.0, 3.0, 4.0], &groups, is_random).unwrap();
            assert!((some - expected).abs() < 1e-12, "{some}");
        }
    }
}
