//! Dates of the Gregorian calendar in UTC, from and to nanoseconds since 1970.
//!
//! Days are counted in eras of 400 years (146,097 days) whose years begin in March, so that the leap day is a year's
//! last (Howard Hinnant, "chrono-compatible low-level date algorithms"). Leap seconds do not exist, as in Unix time.

use std::time::{SystemTime, UNIX_EPOCH};

pub const SECOND: i64 = 1_000_000_000;
pub const DAY: i64 = 86_400 * SECOND;

const ERA_YEARS: i64 = 400;
const ERA_DAYS: i64 = 146_097;
/// Days from the first of March of the year 0 to the first of January 1970.
const EPOCH: i64 = 719_468;

/// The time by this machine's clock, in nanoseconds since 1970.
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

/// A point in time as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub year: i64,
    /// From 1, as days are.
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanos: u32,
}

impl Moment {
    /// `time` is nanoseconds since 1970.
    pub fn of(time: i64) -> Self {
        let (year, month, day) = date(time.div_euclid(DAY));
        let within = time.rem_euclid(DAY);
        let seconds = (within / SECOND) as u32;
        Self {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            nanos: (within % SECOND) as u32,
        }
    }

    /// Nanoseconds since 1970; none where there is no such day or time of day, or it is too far away to be counted.
    pub fn time(&self) -> Option<i64> {
        let valid = (1..=12).contains(&self.month)
            && (1..=month_length(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && i64::from(self.nanos) < SECOND;
        let seconds = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        let nanos = seconds * SECOND + i64::from(self.nanos);
        // In 128 bits, because the first day that can be counted begins before the first nanosecond that can.
        let time = i128::from(days(self.year, self.month, self.day)) * i128::from(DAY) + i128::from(nanos);
        valid.then(|| i64::try_from(time).ok()).flatten()
    }
}

/// Days since 1970 of a date; years of up to some billions.
pub fn days(year: i64, month: u32, day: u32) -> i64 {
    // Years begin in March: January and February belong to the one before.
    let year = year - i64::from(month <= 2);
    let month = (i64::from(month) + 9) % 12;
    let of_era = year.rem_euclid(ERA_YEARS);
    let of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    year.div_euclid(ERA_YEARS) * ERA_DAYS + days - EPOCH
}

/// Year, month and day of the day that is so many days after the first of January 1970.
pub fn date(days: i64) -> (i64, u32, u32) {
    let days = days + EPOCH;
    let of_era = days.rem_euclid(ERA_DAYS);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = days.div_euclid(ERA_DAYS) * ERA_YEARS + year + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

fn month_length(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_days_have_their_numbers() {
        let known = [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 2, 29), 11_016),
            ((2026, 11, 23), 20_780),
            ((1600, 3, 1), -135_080),
            ((0, 3, 1), -EPOCH),
            ((9999, 12, 31), 2_932_896),
        ];
        for ((year, month, day), number) in known {
            assert_eq!(days(year, month, day), number);
            assert_eq!(date(number), (year, month, day));
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut before = date(-800_000);
        for day in -799_999..800_000 {
            let (year, month, of_month) = date(day);
            let next = match before {
                (year, 12, 31) => (year + 1, 1, 1),
                (year, month, day) if day == month_length(year, month) => (year, month + 1, 1),
                (year, month, day) => (year, month, day + 1),
            };
            assert_eq!((year, month, of_month), next);
            before = next;
        }
    }

    #[test]
    fn what_is_no_date_has_no_time() {
        let day = Moment::of(0);
        for wrong in [
            Moment { month: 0, ..day },
            Moment { month: 13, ..day },
            Moment { day: 0, ..day },
            Moment {
                month: 2,
                day: 29,
                ..day
            },
            Moment {
                month: 4,
                day: 31,
                ..day
            },
            Moment { hour: 24, ..day },
            Moment { second: 60, ..day },
            Moment { year: 1600, ..day },
            Moment { year: 2300, ..day },
        ] {
            assert_eq!(wrong.time(), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_was_written(time: i64) {
            prop_assert_eq!(Moment::of(time).time(), Some(time));
        }
    }
}
