//! Where a message of a stream ends (RFC 6587): found out message by message, as senders mix what they do.
//!
//! | begins with | ends |
//! |---|---|
//! | a number, a space and `<` (3.4.1) | after so many bytes |
//! | anything else (3.4.2) | at a line feed or a NUL, which Python's handler sends |
//!
//! Invariants
//! - how the bytes were split when they came makes no difference;
//! - a message has at most so many bytes; the rest of a longer one is passed over as it comes, and never waits in memory;
//! - each byte is looked at once for a line's end.
//!
//! Given up: a counted message without a priority, which RFC 5424 does not know. It would make a count of every line that
//! begins with a number.

use memchr::memchr2;

/// More digits than a length has that anybody sends.
const MAX_DIGITS: usize = 9;

/// A message, without its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub bytes: &'a [u8],
    /// Whether there was more of it.
    pub cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    Bytes(usize),
    ToLineEnd,
}

/// How a stream's bytes become messages.
#[derive(Debug)]
pub struct Framing {
    most: usize,
    /// What of a message that was cut is still to come.
    skip: Skip,
    /// How far no end of the line was found.
    searched: usize,
}

enum Head {
    /// Where the message begins, and its length.
    Counted(usize, usize),
    Line,
    /// As more has to come.
    Unknown,
}

impl Framing {
    /// Messages of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            skip: Skip::Nothing,
            searched: 0,
        }
    }

    /// Takes the next message off `bytes`, which are all that came and was not taken yet; none: more has to come. Empty ones
    /// are passed over.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Message<'a>> {
        loop {
            self.pass_over(bytes);
            let message = match head(bytes) {
                Head::Counted(at, length) => self.counted(bytes, at, length),
                Head::Line => self.line(bytes),
                Head::Unknown => None,
            };
            let message = message?;
            if !message.bytes.is_empty() {
                return Some(message);
            }
        }
    }

    /// The message that the end of the stream ends, of what [`Self::next`] left.
    pub fn last<'a>(&self, bytes: &'a [u8]) -> Option<Message<'a>> {
        let message = match head(bytes) {
            _ if self.skip != Skip::Nothing => return None,
            Head::Counted(at, _) => Message {
                bytes: trimmed(&bytes[at..]),
                cut: true,
            },
            Head::Line | Head::Unknown => Message {
                bytes: trimmed(bytes),
                cut: false,
            },
        };
        (!message.bytes.is_empty()).then_some(message)
    }

    fn pass_over(&mut self, bytes: &mut &[u8]) {
        match self.skip {
            Skip::Nothing => {}
            Skip::Bytes(left) => {
                let here = left.min(bytes.len());
                *bytes = &bytes[here..];
                self.skip = if here < left {
                    Skip::Bytes(left - here)
                } else {
                    Skip::Nothing
                };
            }
            Skip::ToLineEnd => {
                let end = memchr2(b'\n', 0, bytes);
                *bytes = end.map_or(&[], |end| &bytes[end + 1..]);
                self.skip = if end.is_some() { Skip::Nothing } else { Skip::ToLineEnd };
            }
        }
    }

    fn counted<'a>(&mut self, bytes: &mut &'a [u8], at: usize, length: usize) -> Option<Message<'a>> {
        let end = at + length.min(self.most);
        let message = bytes.get(at..end)?;
        *bytes = &bytes[end..];
        let cut = length > self.most;
        if cut {
            self.skip = Skip::Bytes(length - self.most);
        }
        Some(Message {
            bytes: trimmed(message),
            cut,
        })
    }

    fn line<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Message<'a>> {
        let end = memchr2(b'\n', 0, &bytes[self.searched..]).map(|end| self.searched + end);
        let (end, next, cut) = match end {
            Some(end) if end <= self.most => (end, end + 1, false),
            None if bytes.len() <= self.most => {
                self.searched = bytes.len();
                return None;
            }
            _ => (self.most, self.most, true),
        };
        let message = &bytes[..end];
        *bytes = &bytes[next..];
        self.searched = 0;
        if cut {
            self.skip = Skip::ToLineEnd;
        }
        Some(Message {
            bytes: trimmed(message),
            cut,
        })
    }
}

fn head(bytes: &[u8]) -> Head {
    match bytes.first() {
        None => return Head::Unknown,
        Some(b'1'..=b'9') => {}
        Some(_) => return Head::Line,
    }
    let digits = bytes
        .iter()
        .take(MAX_DIGITS + 1)
        .take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    match &bytes[digits..] {
        _ if digits > MAX_DIGITS => Head::Line,
        [] | [b' '] => Head::Unknown,
        [b' ', b'<', ..] => {
            let length = bytes[..digits]
                .iter()
                .fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
            Head::Counted(digits + 1, length)
        }
        _ => Head::Line,
    }
}

/// Without the line's end that some send though they count, or the half of it that is no frame.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0));
    &bytes[..end.map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 12;

    /// All messages of a stream that comes in pieces, each with a `!` where it was cut.
    fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut framing, mut waiting, mut found) = (Framing::new(MOST), Vec::new(), Vec::new());
        let text = |message: Message<'_>| {
            let end = if message.cut { "!" } else { "" };
            format!("{}{end}", String::from_utf8_lossy(message.bytes))
        };
        for piece in pieces {
            waiting.extend_from_slice(piece);
            let mut rest = &waiting[..];
            while let Some(message) = framing.next(&mut rest) {
                found.push(text(message));
            }
            let taken = waiting.len() - rest.len();
            waiting.drain(..taken);
            assert!(waiting.len() <= MOST + MAX_DIGITS + 1, "no more waits than one message");
        }
        found.extend(framing.last(&waiting).map(text));
        found
    }

    #[test]
    fn messages_end_where_their_sender_says() {
        for (stream, expected) in [
            (&b"<1>a\n<1>b\r\n\n\0<1>c\0"[..], &["<1>a", "<1>b", "<1>c"][..]),
            (b"4 <1>a5 <1>bb", &["<1>a", "<1>bb"]),
            (
                b"8 <1>a\nb\0c<1>d\n4 <1>e\n<1>f",
                &["<1>a\nb\0c", "<1>d", "<1>e", "<1>f"],
            ),
            (b"6 <1>a\r\n<1>b\n", &["<1>a", "<1>b"]),
            (b"404 not here\n5\n12 \n0 <1>\n", &["404 not here", "5", "12 ", "0 <1>"]),
            (b"1234567890 <\n", &["1234567890 <"]),
            (b"<1>a", &["<1>a"]),
            (b"9 <1>half", &["<1>half!"]),
            (b"12", &["12"]),
            (b"", &[]),
            (b"\n\0\r\n", &[]),
        ] {
            assert_eq!(messages([stream]), expected, "{stream:?}");
            let single = stream.chunks(1);
            assert_eq!(messages(single), expected, "{stream:?} byte by byte");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_message_is_found() {
        for stream in [
            &b"<1>123456789012345\n<1>b\n"[..],
            b"18 <1>1234567890123454 <1>b",
            b"18 <1>123456789012345<1>b\n",
        ] {
            let expected = ["<1>123456789!", "<1>b"];
            assert_eq!(messages([stream]), expected, "{stream:?}");
            assert_eq!(messages(stream.chunks(1)), expected, "{stream:?} byte by byte");
        }
        assert_eq!(messages([&b"<1>123456789\n<1>b\n"[..]]), ["<1>123456789", "<1>b"]);
        assert_eq!(messages([&b"<1>1234567890 and no end"[..]]), ["<1>123456789!"]);
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_the_bytes_were_split(
            stream in prop::collection::vec(prop::sample::select(&b"<>1245 a\n\r\0\xff"[..]), 0..80),
            size in 1usize..20,
        ) {
            prop_assert_eq!(messages(stream.chunks(size)), messages([&stream[..]]));
        }
    }
}
