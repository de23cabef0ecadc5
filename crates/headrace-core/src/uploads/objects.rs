//! Payloads that shall become objects, each under its own key, taken by one thread after the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use memchr::memchr;

use super::signature::encoded;

/// Payloads as they were read: a line each, and what each is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<B> {
    pub numbers: Vec<u64>,
    pub lines: B,
}

/// How a payload's number becomes the key of its object: what stands before it, how many digits it has, what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub before: String,
    pub digits: usize,
    pub after: String,
}

impl Naming {
    /// The same for the path of an object's URL.
    fn in_url(&self) -> Self {
        Self {
            before: encoded(&format!("/{}", self.before)),
            digits: self.digits,
            after: encoded(&self.after),
        }
    }
}

/// What is left to upload of some runs.
#[derive(Debug)]
pub struct Objects<B> {
    naming: Naming,
    runs: Vec<Run<B>>,
    place: Mutex<Place>,
}

/// Where the next payload is: in which run, as which of it, and from which byte on.
#[derive(Debug, Default)]
struct Place {
    run: usize,
    index: usize,
    start: usize,
}

impl<B: AsRef<[u8]>> Objects<B> {
    pub fn new(runs: Vec<Run<B>>, naming: &Naming) -> Self {
        Self {
            naming: naming.in_url(),
            runs,
            place: Mutex::default(),
        }
    }

    /// Nothing is left.
    pub fn stop(&self) {
        self.place().run = self.runs.len();
    }

    /// The path of the object's URL.
    pub(super) fn path(&self, number: u64) -> String {
        let Naming { before, digits, after } = &self.naming;
        format!("{before}{number:0digits$}{after}")
    }

    /// The next payload and its number; each comes once.
    pub(super) fn next(&self) -> Option<(u64, &[u8])> {
        let mut place = self.place();
        loop {
            let run = self.runs.get(place.run)?;
            let rest = run.lines.as_ref().get(place.start..).unwrap_or_default();
            if let (Some(number), Some(end)) = (run.numbers.get(place.index), memchr(b'\n', rest)) {
                place.index += 1;
                place.start += end + 1;
                return Some((*number, &rest[..end]));
            }
            *place = Place {
                run: place.run + 1,
                ..Place::default()
            };
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_payload_comes_once_with_its_number() {
        let run = |numbers: &[u64], lines| Run {
            numbers: numbers.to_vec(),
            lines,
        };
        let naming = Naming {
            before: "dt=1/node-".to_owned(),
            digits: 4,
            after: ".json".to_owned(),
        };
        let objects = Objects::new(
            vec![run(&[7, 9], "{}\n[ 1]\n"), run(&[], ""), run(&[12], "\"é\"\n")],
            &naming,
        );
        let taken: Vec<_> = std::iter::from_fn(|| objects.next()).collect();
        assert_eq!(taken, [(7, &b"{}"[..]), (9, b"[ 1]"), (12, "\"é\"".as_bytes())]);
        assert_eq!(objects.path(12), "/dt%3D1/node-0012.json");
        assert_eq!(objects.next(), None);
    }

    #[test]
    fn a_stop_leaves_nothing() {
        let runs = vec![Run {
            numbers: vec![1, 2],
            lines: "1\n2\n",
        }];
        let naming = Naming {
            before: String::new(),
            digits: 1,
            after: String::new(),
        };
        let objects = Objects::new(runs, &naming);
        assert_eq!(objects.next(), Some((1, &b"1"[..])));
        objects.stop();
        assert_eq!(objects.next(), None);
    }
}
