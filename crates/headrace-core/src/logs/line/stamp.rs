//! Times at the start of lines: of a fixed width for each precision.

use crate::calendar::{Moment, SECOND};

/// `2026-11-23 15:40:00`.
const WIDTH: usize = 19;

/// How much of a second is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Seconds = 0,
    Millis = 3,
    Micros = 6,
    Nanos = 9,
}

/// The second that was written last: lines in order mostly share it with the one before.
#[derive(Debug, Clone)]
pub struct Stamp {
    second: i64,
    text: [u8; WIDTH],
}

impl Default for Stamp {
    fn default() -> Self {
        let mut stamp = Self {
            second: 0,
            text: [0; WIDTH],
        };
        stamp.set(0);
        stamp
    }
}

impl Stamp {
    /// Appends `time` with `between` between date and time of day.
    pub(super) fn write(&mut self, time: i64, between: u8, precision: Precision, into: &mut Vec<u8>) {
        let second = time.div_euclid(SECOND);
        if second != self.second {
            self.set(second);
        }
        self.text[10] = between;
        into.extend_from_slice(&self.text);
        let digits = precision as usize;
        if digits > 0 {
            let mut fraction = *b".000000000";
            fill(&mut fraction[1..], time.rem_euclid(SECOND) as u64);
            into.extend_from_slice(&fraction[..=digits]);
        }
    }

    fn set(&mut self, second: i64) {
        self.second = second;
        // Every time that fits into 64 bits has a year of four digits.
        let moment = Moment::of(second.saturating_mul(SECOND));
        self.text = *b"0000-00-00 00:00:00";
        fill(&mut self.text[..4], moment.year as u64);
        let rest = [moment.month, moment.day, moment.hour, moment.minute, moment.second];
        for (place, number) in rest.into_iter().enumerate() {
            let at = 5 + 3 * place;
            fill(&mut self.text[at..at + 2], number.into());
        }
    }
}

/// Writes `number` into all of `digits`.
fn fill(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Reads a time, and what follows it.
pub(super) fn read(text: &[u8], between: u8, precision: Precision) -> Option<(i64, &[u8])> {
    let (stamp, rest) = text.split_at_checked(WIDTH)?;
    let separators = [stamp[4], stamp[7], stamp[10], stamp[13], stamp[16]];
    if separators != [b'-', b'-', between, b':', b':'] {
        return None;
    }
    let (fraction, rest) = match precision as usize {
        0 => (0, rest),
        digits => {
            let (fraction, rest) = rest.strip_prefix(b".")?.split_at_checked(digits)?;
            (number(fraction)? * 10u32.pow(9 - digits as u32), rest)
        }
    };
    let moment = Moment {
        year: number(&stamp[..4])?.into(),
        month: number(&stamp[5..7])?,
        day: number(&stamp[8..10])?,
        hour: number(&stamp[11..13])?,
        minute: number(&stamp[14..16])?,
        second: number(&stamp[17..])?,
        nanos: fraction,
    };
    Some((moment.time()?, rest))
}

/// At most nine digits and nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number: u32, digit| {
        let value = digit.wrapping_sub(b'0');
        (value < 10).then(|| number * 10 + u32::from(value))
    })
}
