//! The threshold between dark and bright.

/// Returns Otsu's threshold of values from 0 to 1: the one that maximises the variance between the two groups (Otsu,
/// "A Threshold Selection Method from Gray-Level Histograms", 1979). If no value lies between the groups, it is the
/// midpoint of the gap.
pub(super) fn otsu(values: impl Iterator<Item = f32>) -> f32 {
    const BINS: usize = 256;
    let mut counts = [0.0; BINS];
    for value in values {
        counts[(value.clamp(0.0, 1.0) * (BINS - 1) as f32).round() as usize] += 1.0;
    }
    let pixels: f64 = counts.iter().sum();
    let sum: f64 = counts.iter().enumerate().map(|(bin, count)| bin as f64 * count).sum();

    let (mut below, mut sum_below) = (0.0, 0.0);
    // The largest variance between the groups, and the first and last bin that give it.
    let mut best = (0.0, 0, 0);
    for (bin, count) in counts.iter().enumerate() {
        below += count;
        sum_below += bin as f64 * count;
        let above = pixels - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let distance = sum_below / below - (sum - sum_below) / above;
        let between = below * above * distance * distance;
        if between > best.0 {
            best = (between, bin, bin);
        } else if between == best.0 {
            best.2 = bin;
        }
    }
    ((best.1 + best.2) as f32 / 2.0 + 0.5) / (BINS - 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_midway_between_two_groups() {
        let threshold = otsu([0.2; 80].into_iter().chain([0.6; 20]));
        assert!((0.39..0.41).contains(&threshold), "{threshold}");
    }
}
