//! Dates and times in UTC. The standard library has no calendar.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A date and time in UTC with a resolution of one second, in the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

impl Utc {
    /// Converts a system time. Times before 1970, from a clock that is not set, give the beginning of 1970.
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (year, month, day) = date_of(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Self { year, month, day, hour, minute, second }
    }

    /// Converts to a system time. Returns `None` if there is no such date or time from 1970 to 9999.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let Self { year, month, day, hour, minute, second } = self;
        if !(1970..=9999).contains(&year) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // No date is further than this from the first day of its year.
        let first = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<u64>();
        let days = (first..first + 366).find(|&days| date_of(days) == (year, month, day))?;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// Formats as ISO 8601: `2026-11-22T17:45:30Z`.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

/// Returns year, month and day of the date `days` days after 1 January 1970.
fn date_of(days: u64) -> (u64, u64, u64) {
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_iso_8601() {
        // `date -u -d @SECONDS +%Y-%m-%dT%H:%M:%SZ`
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Utc::of(time).to_string(), expected);
            assert_eq!(Utc::of(time).to_system_time(), Some(time));
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_no_time() {
        let new_year = Utc { year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
        assert!(new_year.to_system_time().is_some());
        for wrong in [
            Utc { month: 13, ..new_year },
            Utc { month: 0, ..new_year },
            Utc { month: 2, day: 29, ..new_year },
            Utc { day: 0, ..new_year },
            Utc { hour: 24, ..new_year },
            Utc { year: 1969, ..new_year },
            Utc { year: 10_000, ..new_year },
        ] {
            assert_eq!(wrong.to_system_time(), None, "{wrong}");
        }
    }
}
