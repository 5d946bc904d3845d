//! Histograms of tensors.

use super::messages::HistogramProto;

/// The number of buckets, of equal width. TensorBoard shows 30.
const BUCKETS: usize = 60;

/// The histogram of the finite values of a tensor; `None` if there are none.
pub(super) fn histogram(values: &[f32]) -> Option<HistogramProto> {
    let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
    let (min, max) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
    let (num, sum) = (finite().count() as f64, finite().sum());
    let sum_squares = finite().map(|value| value * value).sum();
    let (bucket_limit, bucket) = if min == max {
        (vec![max], vec![num])
    } else {
        let scale = BUCKETS as f64 / (max - min);
        let mut counts = vec![0.0; BUCKETS];
        for value in finite() {
            // The largest value belongs to the last bucket.
            counts[(((value - min) * scale) as usize).min(BUCKETS - 1)] += 1.0;
        }
        let limit = |bucket| if bucket == BUCKETS { max } else { min + bucket as f64 / scale };
        ((1..=BUCKETS).map(limit).collect(), counts)
    };
    Some(HistogramProto { min, max, num, sum, sum_squares, bucket_limit, bucket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_the_bucket_whose_limits_enclose_it() {
        let values: Vec<f32> = (0..997).map(|index| (index as f32 * 0.37).sin()).collect();
        let histogram = histogram(&values).unwrap();
        assert_eq!(histogram.bucket.iter().sum::<f64>(), 997.0);
        assert_eq!((histogram.num, histogram.bucket.len()), (997.0, histogram.bucket_limit.len()));
        assert_eq!(histogram.bucket_limit.last(), Some(&histogram.max));
        assert!(histogram.bucket_limit.is_sorted() && histogram.bucket_limit[0] > histogram.min);
        let below = |limit: f64| values.iter().filter(|&&value| f64::from(value) < limit).count() as f64;
        for bucket in [0, 13, 40] {
            let counted: f64 = histogram.bucket[..=bucket].iter().sum();
            assert_eq!(counted, below(histogram.bucket_limit[bucket]), "bucket {bucket}");
        }
        let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        assert!((histogram.sum_squares - squares).abs() < 1e-9);
    }

    #[test]
    fn equal_values_share_a_bucket() {
        let histogram = histogram(&[0.5; 6]).unwrap();
        assert_eq!((histogram.min, histogram.max, histogram.num, histogram.sum), (0.5, 0.5, 6.0, 3.0));
        assert_eq!((histogram.bucket_limit, histogram.bucket), (vec![0.5], vec![6.0]));
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let histogram = histogram(&[f32::NAN, 1.0, f32::INFINITY, 2.0]).unwrap();
        assert_eq!((histogram.num, histogram.max), (2.0, 2.0));
        assert_eq!(super::histogram(&[f32::NAN]), None);
        assert_eq!(super::histogram(&[]), None);
    }

    #[test]
    fn the_widest_range_of_floats_has_finite_buckets() {
        let histogram = histogram(&[f32::MIN, 0.0, f32::MAX]).unwrap();
        assert!(histogram.bucket_limit.iter().all(|limit| limit.is_finite()));
        assert_eq!(histogram.bucket.iter().sum::<f64>(), 3.0);
    }
}
