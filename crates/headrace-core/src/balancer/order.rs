//! Turns spread evenly over a span, however many take one.
//!
//! They follow the golden ratio, which covers any span evenly (Weyl), so nobody need know how many there are. Each thread begins at
//! random.

use std::cell::Cell;

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Whose turn is when: positions in a span, one after the other evenly spread.
#[derive(Debug)]
pub(super) struct Order(Cell<u64>);

impl Order {
    pub(super) fn new(start: u64) -> Self {
        Self(Cell::new(start))
    }

    /// The next position in `span`.
    pub(super) fn next(&self, span: u64) -> u64 {
        self.0.set(self.0.get().wrapping_add(GOLDEN));
        let position = u128::from(span) * u128::from(self.0.get());
        (position >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_no_tenth_of_the_span_gets_much_more_than_its_share() {
        for count in [10, 100, 1000] {
            let order = Order::new(0x1234_5678_9abc_def0);
            let mut tenths = [0; 10];
            for _ in 0..count {
                tenths[order.next(10) as usize] += 1;
            }
            let most = count / 10 + 2;
            assert!(tenths.iter().all(|tenth| *tenth <= most), "{count}: {tenths:?}");
        }
    }
}
