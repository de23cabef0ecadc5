//! Names of files that are full: `log.txt` becomes `log-20261123-154000-0001.txt`, after the time of its first entry and
//! a count, so that names sort as the entries do. Its side file has the same name and `.late` behind it.

use crate::calendar::{DAY, Moment};

/// What is added to a file's name for the lines in it that came late.
pub(super) const SIDE: &str = ".late";

/// The name for `file`, whose first entry is of `first`, beside the files that are there.
pub(super) fn name(file: &str, first: i64, there: &[String]) -> String {
    let (stem, extension) = split(file);
    let moment = Moment::of(first);
    let start = format!(
        "{stem}-{:04}{:02}{:02}-{:02}{:02}{:02}-",
        moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second
    );
    let taken = there.iter().filter_map(|name| count(name.strip_prefix(&start)?));
    let count = taken.max().map_or(1, |highest| highest + 1);
    format!("{start}{count:04}{extension}")
}

/// The digits that a name goes on with.
fn count(rest: &str) -> Option<u32> {
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..end].parse().ok()
}

/// A name without and with what follows its last dot, that dot included.
fn split(file: &str) -> (&str, &str) {
    match file.rfind('.') {
        Some(at) if at > 0 => file.split_at(at),
        _ => (file, ""),
    }
}

/// Whether `time` is of a later day than `first`.
pub(super) fn is_later_day(time: i64, first: i64) -> bool {
    time.div_euclid(DAY) > first.div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_795_448_400_123_456_789;

    #[test]
    fn a_name_tells_the_first_entry_and_a_count_that_is_not_taken() {
        assert_eq!(name("log.txt", TIME, &[]), "log-20261123-154000-0001.txt");
        let there = [
            "log-20261123-154000-0001.txt.zst",
            "log-20261123-154000-0003.txt.late",
            "log-20261123-154001-0007.txt",
        ];
        let there = there.map(str::to_owned);
        assert_eq!(name("log.txt", TIME, &there), "log-20261123-154000-0004.txt");
        assert_eq!(name("my.app", TIME, &there), "my-20261123-154000-0001.app");
        assert_eq!(name("log", TIME, &there), "log-20261123-154000-0004");
    }

    #[test]
    fn a_day_ends_at_midnight() {
        assert!(!is_later_day(TIME + 1, TIME));
        assert!(is_later_day(TIME + DAY, TIME));
        assert!(!is_later_day(TIME - DAY, TIME));
        assert!(is_later_day(0, -1));
    }
}
