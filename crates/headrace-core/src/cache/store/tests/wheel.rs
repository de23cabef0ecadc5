use std::collections::HashMap;

use proptest::prelude::*;

use super::super::wheel::{Step, Wheel};

const TICK: u64 = 1 << 24;
const BEGIN: u64 = 1 << 62;

#[derive(Debug, Clone)]
enum Act {
    Set(u32, u64),
    Remove(u32),
    Advance(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    // Times of every size: each level of the wheel is reached.
    let time = (0..34u32, any::<u64>()).prop_map(|(bits, number)| (number & ((1 << bits) - 1)) * (TICK / 16));
    let act = prop_oneof![
        4 => (0..12u32, time.clone()).prop_map(|(node, time)| Act::Set(node, time)),
        1 => (0..12u32).prop_map(Act::Remove),
        2 => time.prop_map(Act::Advance),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #[test]
    fn a_node_is_due_once_within_a_tick_after_its_time_and_never_before(acts in acts()) {
        let mut now = BEGIN;
        let mut wheel = Wheel::new(now);
        let mut times = HashMap::new();
        for node in 0..12 {
            wheel.set(node, now);
            wheel.remove(node);
        }
        for act in acts {
            match act {
                Act::Set(node, after) => {
                    wheel.set(node, now + after);
                    times.insert(node, now + after);
                }
                Act::Remove(node) => {
                    wheel.remove(node);
                    times.remove(&node);
                }
                Act::Advance(by) => {
                    now += by;
                    let mut steps = 0;
                    loop {
                        steps += 1;
                        prop_assert!(steps < 1_000, "the wheel does not come to its end");
                        match wheel.step(now) {
                            Step::Due(node) => {
                                let time = times.remove(&node);
                                prop_assert!(time.is_some_and(|time| time < now), "{node} at {time:?}, now {now}");
                            }
                            Step::Moved => {}
                            Step::Done => break,
                        }
                    }
                    prop_assert!(times.values().all(|time| *time + TICK >= now));
                }
            }
        }
    }
}
