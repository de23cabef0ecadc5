//! Frames that a client may send only so many of in a second.
//!
//! A frame of nine bytes makes the server work and costs its sender nothing. What can be had without end is therefore
//! counted: resets (CVE-2023-44487), pings and settings, which are each answered (CVE-2019-9512, -9515), continuations
//! (CVE-2024-27316), priorities and kinds nobody knows, which are read and dropped, and window updates beyond what was
//! sent. Requests and data are not: they are what a client comes for, and streams and windows bound them.
//!
//! It also holds clients to their preface, which ends with settings (RFC 9113, 3.4): `h2` takes any first frame.
//!
//! The meter sees the bytes before anything is parsed or stored. It finds the frames by their heads alone and skips what
//! is between, so that a large body costs it one addition for each read.

use h2::Reason;

use crate::limits::Limits;

/// The client's connection preface, before its first frame (RFC 9113, 3.4).
const PREFACE: usize = 24;
const HEAD: usize = 9;
/// Milliseconds over which frames are counted.
const PERIOD: u64 = 1000;
/// Frames in a second that have no effect: priorities, unknown kinds (as Sozu allows glitches).
const IDLE_FRAMES: u32 = 100;
/// Window updates in a second that no sent bytes explain: a client may give every new stream a larger window.
const FREE_UPDATES: u32 = 1000;
/// Sent bytes that explain one window update. The smallest piece of an event stream explains the two, for stream and
/// connection, with which some clients confirm each frame.
const BYTES_PER_UPDATE: u64 = 16;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// How many of each were seen in this second, or may be.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    resets: u32,
    pings: u32,
    settings: u32,
    continuations: u32,
    updates: u32,
    idle: u32,
}

#[derive(Debug)]
pub(super) struct Meter {
    most: Tally,
    seen: Tally,
    since: u64,
    /// Bytes sent in the period before this one, and in this one.
    sent: [u64; 2],
    /// Bytes until the next frame's head.
    skip: usize,
    /// The part of a head that came before a read ended within it.
    partial: [u8; HEAD],
    length: usize,
    /// A header block has begun and not ended.
    in_block: bool,
    /// What is skipped is no body.
    in_frame: bool,
    /// Nothing has come but the preface's words.
    first: bool,
    verdict: Option<Reason>,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            most: Tally {
                resets: limits.resets_per_second,
                pings: limits.pings_per_second,
                settings: limits.settings_per_second,
                continuations: limits.continuations_per_second,
                updates: FREE_UPDATES,
                idle: IDLE_FRAMES,
            },
            seen: Tally::default(),
            since: 0,
            sent: [0; 2],
            skip: PREFACE,
            partial: [0; HEAD],
            length: 0,
            in_block: false,
            in_frame: false,
            first: true,
            verdict: None,
        }
    }

    /// Why the connection must end, if so.
    pub(super) fn verdict(&self) -> Option<Reason> {
        self.verdict
    }

    /// Whether the client has begun a frame or header block that it has not ended; bodies excepted, which are waited
    /// for by whoever reads them.
    pub(super) fn is_amid_head(&self) -> bool {
        self.in_block || self.length > 0 || (self.in_frame && self.skip > 0)
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent[1] += bytes as u64;
    }

    /// Looks at bytes that were read at `now`, in milliseconds.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: u64) {
        if now.saturating_sub(self.since) >= PERIOD {
            self.since = now;
            self.seen = Tally::default();
            self.sent = [self.sent[1], 0];
        }
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let missing = bytes.len().min(HEAD - self.length);
            let Some((part, rest)) = bytes.split_at_checked(missing).filter(|(part, _)| !part.is_empty()) else {
                return;
            };
            if let Some(room) = self.partial.get_mut(self.length..self.length + missing) {
                room.copy_from_slice(part);
            }
            self.length += missing;
            bytes = rest;
            if self.length == HEAD {
                self.length = 0;
                self.frame();
            }
        }
    }

    /// Counts the frame whose head is in `partial`.
    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.partial;
        self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.in_frame = kind != DATA;
        if std::mem::take(&mut self.first) && (kind != SETTINGS || flags & ACK != 0) {
            self.verdict = Some(Reason::PROTOCOL_ERROR);
        }
        let (seen, most) = (&mut self.seen, &self.most);
        let (count, most) = match kind {
            DATA | GOAWAY | PUSH_PROMISE => return,
            HEADERS => {
                self.in_block = flags & END_HEADERS == 0;
                return;
            }
            CONTINUATION => {
                self.in_block = flags & END_HEADERS == 0;
                (&mut seen.continuations, most.continuations)
            }
            RST_STREAM => (&mut seen.resets, most.resets),
            SETTINGS => (&mut seen.settings, most.settings),
            PING => (&mut seen.pings, most.pings),
            WINDOW_UPDATE => {
                let explained = (self.sent[0] + self.sent[1]) / BYTES_PER_UPDATE;
                let explained = u32::try_from(explained).unwrap_or(u32::MAX);
                (&mut seen.updates, most.updates.saturating_add(explained))
            }
            _ => (&mut seen.idle, most.idle),
        };
        *count += 1;
        if *count > most {
            self.verdict.get_or_insert(Reason::ENHANCE_YOUR_CALM);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; HEAD + length];
        bytes[..3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        bytes[3] = kind;
        bytes[4] = flags;
        bytes
    }

    fn meter() -> Meter {
        let mut meter = Meter::new(&Limits::default());
        meter.read(&[&[0; PREFACE][..], &frame(SETTINGS, 0, 0)].concat(), 0);
        meter.seen = Tally::default();
        meter
    }

    fn flooded_after(kind: u8, flags: u8, length: usize) -> usize {
        let mut meter = meter();
        let frame = frame(kind, flags, length);
        (1..5000)
            .find(|_| {
                meter.read(&frame, 0);
                meter.verdict().is_some()
            })
            .unwrap_or(0)
    }

    #[test]
    fn each_kind_has_its_limit_and_useful_ones_have_none() {
        let limits = Limits::default();
        assert_eq!(flooded_after(RST_STREAM, 0, 4), limits.resets_per_second as usize + 1);
        assert_eq!(flooded_after(PING, 0, 8), limits.pings_per_second as usize + 1);
        assert_eq!(flooded_after(SETTINGS, 0, 0), limits.settings_per_second as usize + 1);
        assert_eq!(
            flooded_after(CONTINUATION, 0, 1),
            limits.continuations_per_second as usize + 1
        );
        assert_eq!(flooded_after(WINDOW_UPDATE, 0, 4), FREE_UPDATES as usize + 1);
        assert_eq!(flooded_after(2, 0, 5), IDLE_FRAMES as usize + 1);
        assert_eq!(flooded_after(0xbe, 0, 0), IDLE_FRAMES as usize + 1);
        assert_eq!(flooded_after(DATA, 0, 100), 0);
        assert_eq!(flooded_after(HEADERS, END_HEADERS, 100), 0);
    }

    #[test]
    fn the_first_frame_is_settings() {
        for (kind, flags, verdict) in [
            (SETTINGS, 0, None),
            (SETTINGS, ACK, Some(Reason::PROTOCOL_ERROR)),
            (PING, 0, Some(Reason::PROTOCOL_ERROR)),
            (DATA, 0, Some(Reason::PROTOCOL_ERROR)),
        ] {
            let mut meter = Meter::new(&Limits::default());
            meter.read(&[&[0; PREFACE][..], &frame(kind, flags, 0)].concat(), 0);
            assert_eq!(meter.verdict(), verdict, "{kind} {flags}");
        }
    }

    #[test]
    fn frames_are_found_wherever_reads_split_them() {
        let frames = [frame(HEADERS, END_HEADERS, 40), frame(DATA, 0, 300), frame(PING, 0, 8)].concat();
        for size in 1..frames.len() {
            let mut meter = meter();
            frames.chunks(size).for_each(|chunk| meter.read(chunk, 0));
            assert_eq!(meter.seen.pings, 1, "{size}");
            assert!(!meter.is_amid_head(), "{size}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_the_same_in_any_parts(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let (mut whole, mut parts) = (meter(), meter());
            whole.read(&bytes, 0);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            cuts.windows(2).for_each(|ends| parts.read(&bytes[ends[0]..ends[1]], 0));
            prop_assert_eq!(format!("{:?}", whole), format!("{:?}", parts));
        }
    }

    #[test]
    fn a_new_second_forgets_the_one_before() {
        let mut meter = meter();
        let ping = frame(PING, 0, 8);
        for now in 0..100 {
            (0..Limits::default().pings_per_second).for_each(|_| meter.read(&ping, now * PERIOD));
        }
        assert!(meter.verdict().is_none());
    }

    #[test]
    fn whoever_is_sent_much_may_update_its_windows_often() {
        let mut meter = meter();
        meter.sent(1024 * 1024);
        let update = frame(WINDOW_UPDATE, 0, 4);
        (0..60_000).for_each(|n| meter.read(&update, n / 100));
        assert!(meter.verdict().is_none());
        (0..60_000).for_each(|n| meter.read(&update, 2 * PERIOD + n / 100));
        assert!(meter.verdict().is_none(), "the period before counts");
        (0..60_000).for_each(|n| meter.read(&update, 4 * PERIOD + n / 100));
        assert!(meter.verdict().is_some());
    }

    #[test]
    fn heads_that_are_not_complete_are_told_from_bodies_that_are_not() {
        let mut meter = meter();
        let headers = frame(HEADERS, 0, 10);
        meter.read(&headers[..4], 0);
        assert!(meter.is_amid_head(), "within a frame's head");
        meter.read(&headers[4..12], 0);
        assert!(meter.is_amid_head(), "within its payload");
        meter.read(&headers[12..], 0);
        assert!(meter.is_amid_head(), "before its continuation");
        meter.read(&frame(CONTINUATION, END_HEADERS, 5), 0);
        assert!(!meter.is_amid_head());
        meter.read(&frame(DATA, 0, 10)[..15], 0);
        assert!(!meter.is_amid_head());
    }
}
