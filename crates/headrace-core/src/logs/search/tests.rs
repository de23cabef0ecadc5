//! Search against a naive scan: random files, bounds, filters, orders and page sizes.

use std::{fs, io::Write as _, path::Path, time::Duration};

use proptest::{prelude::*, sample::select};
use tempfile::TempDir;

use super::{Cursor, Mark, Order, Page, Position, Query, Search};
use crate::logs::{
    entry::Entry,
    filter::{Filter, Text},
    line::{Format, Stamp},
    seekable,
};

const SECOND: i64 = 1_000_000_000;

/// One entry: its time in seconds, whether it came too late, and which level, source and word it has.
#[derive(Debug, Clone)]
struct Made {
    time: i64,
    late: bool,
    level: &'static str,
    source: &'static str,
    word: &'static str,
    padding: usize,
}

impl Made {
    fn message(&self, number: usize) -> String {
        format!("{} {number}{}", self.word, ".".repeat(self.padding))
    }
}

fn made() -> impl Strategy<Value = Made> {
    let level = select(vec!["DEBUG", "INFO", "ERROR", "Odd"]);
    let source = select(vec!["web", "load balancer"]);
    let word = select(vec!["Timeout", "timeout", "Käse", "request"]);
    let padding = prop_oneof![20 => 0..80usize, 1 => 60_000..70_000usize];
    (0..200i64, prop::bool::weighted(0.1), level, source, word, padding).prop_map(
        |(time, late, level, source, word, padding)| Made {
            time,
            late,
            level,
            source,
            word,
            padding,
        },
    )
}

/// In which form a file is.
#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    Packed { frame: usize },
}

/// Lines of the log as the writer leaves them, in several files; what search should find, in the order of files.
struct Log {
    folder: TempDir,
    entries: Vec<Kept>,
}

struct Kept {
    time: i64,
    made: Made,
    number: usize,
}

impl Kept {
    fn read<T>(&self, read: impl FnOnce(&Entry<'_>) -> T) -> T {
        let message = self.made.message(self.number);
        read(&Entry {
            time: self.time,
            level: self.made.level,
            source: self.made.source,
            message: &message,
            fields: if self.number.is_multiple_of(3) {
                r#"{"requestId":"r0"}"#
            } else {
                ""
            },
            ..Entry::default()
        })
    }
}

impl Log {
    fn write(files: &[(Form, Vec<Made>)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut log = Self {
            folder,
            entries: Vec::new(),
        };
        let mut watermark = 0;
        for (index, (form, entries)) in files.iter().enumerate() {
            let current = index + 1 == files.len();
            let name = match current {
                true => "log.txt".to_owned(),
                false => format!("log-20260101-{index:06}-0001.txt"),
            };
            let (main, side) = log.lines(entries, &mut watermark);
            let path = log.folder.path().join(name);
            fs::write(&path, &main).unwrap();
            fs::write(path.with_extension("txt.late"), side).unwrap();
            if let Form::Packed { frame } = form
                && !current
            {
                pack(&path, *frame);
            }
        }
        log
    }

    fn lines(&mut self, made: &[Made], watermark: &mut i64) -> (Vec<u8>, Vec<u8>) {
        let mut made = made.to_vec();
        made.sort_by_key(|made| made.time);
        let (mut main, mut side) = (Vec::new(), Vec::new());
        for made in made {
            let number = self.entries.len();
            let late = made.late && *watermark > 0;
            let time = if late {
                made.time % *watermark
            } else {
                *watermark + made.time / 20
            };
            *watermark = time.max(*watermark);
            let start = main.len();
            let kept = Kept {
                time: time * SECOND,
                made,
                number,
            };
            kept.read(|entry| Format::default().write(entry, &mut Stamp::default(), &mut main));
            if late {
                write!(side, "{start};").unwrap();
                side.extend_from_slice(&main[start..]);
            }
            self.entries.push(kept);
        }
        (main, side)
    }

    /// What a reader of all entries would tell.
    fn scan(&self, filter: &Filter, order: Order) -> Vec<String> {
        let mut wanted: Vec<_> = self
            .entries
            .iter()
            .filter(|kept| kept.read(|entry| filter.wants(entry)))
            .collect();
        wanted.sort_by_key(|kept| (kept.time, kept.number));
        if order == Order::NewestFirst {
            wanted.reverse();
        }
        wanted.iter().map(|kept| kept.read(told)).collect()
    }

    fn search(&self) -> Search {
        Search::new(self.folder.path().join("log.txt"), Format::default())
    }

    /// The file that is written gets its last name.
    fn rotate(&self) {
        for end in ["", ".late"] {
            let from = self.folder.path().join(format!("log.txt{end}"));
            let to = self.folder.path().join(format!("log-20260102-000000-0001.txt{end}"));
            fs::rename(from, to).unwrap();
        }
    }

    /// Every plain rotated file is compressed.
    fn archive(&self) {
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("log-") && path.extension() == Some("txt".as_ref()) {
                pack(&path, 300);
            }
        }
    }
}

fn told(entry: &Entry<'_>) -> String {
    let mut told = Vec::new();
    Format::JSON.write(entry, &mut Stamp::default(), &mut told);
    String::from_utf8(told).unwrap().trim_end().to_owned()
}

/// All pages, and what happens before each of them.
fn all(search: &Search, query: &Query, before: impl Fn(usize)) -> Vec<String> {
    let mut query = query.clone();
    let mut entries = Vec::new();
    for turn in 0..10_000 {
        before(turn);
        let page = search.page(&query, &|| false).unwrap();
        assert_eq!(page.unreadable, Vec::<String>::new());
        entries.extend(lines_of(&page));
        match page.next {
            Some(next) => query.after = Cursor::parse(&next.to_string()),
            None => return entries,
        }
    }
    panic!("the pages do not end");
}

fn lines_of(page: &Page) -> Vec<String> {
    let text = String::from_utf8(page.entries.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn filter() -> impl Strategy<Value = Filter> {
    let time = || prop_oneof![1 => Just(None), 2 => (-10..3000i64, 0..SECOND).prop_map(|(time, nanos)| Some(time * SECOND + nanos))];
    let level = prop::option::of(select(vec!["DEBUG", "ERROR", "Odd"]));
    let source = prop::option::of(select(vec!["web", "load balancer"]));
    let text = prop::option::of((select(vec!["timeout", "käse", "request 1", "..", "e"]), any::<bool>()));
    let request_id = prop::option::weighted(0.2, select(vec!["r0", "r1"]));
    (time(), time(), level, source, text, request_id).prop_map(|(since, until, level, source, text, request_id)| {
        Filter {
            since: since.unwrap_or(i64::MIN),
            until: until.unwrap_or(i64::MAX),
            level: level.map(str::to_owned),
            source: source.map(str::to_owned),
            text: text.map(|(text, any_case)| Text::new(text, any_case)),
            request_id: request_id.map(str::to_owned),
        }
    })
}

fn files() -> impl Strategy<Value = Vec<(Form, Vec<Made>)>> {
    let form = prop_oneof![
        Just(Form::Plain),
        (1..5000usize).prop_map(|frame| Form::Packed { frame })
    ];
    prop::collection::vec((form, prop::collection::vec(made(), 1..60)), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn search_finds_what_a_reader_of_everything_finds(
        files in files(),
        filter in filter(),
        newest_first in any::<bool>(),
        limit in prop_oneof![1..5usize, 5..200usize],
        patience in select(vec![0u64, 5]),
        rotated_at in 0..4usize,
    ) {
        let log = Log::write(&files);
        let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
        let query = Query { filter, order, limit: Some(limit), patience: Duration::from_secs(patience), ..Query::default() };
        let found = all(&log.search(), &query, |turn| {
            if turn == rotated_at {
                log.rotate();
            }
            if turn == rotated_at + 1 {
                log.archive();
            }
        });
        prop_assert_eq!(found, log.scan(&query.filter, order));
    }
}

/// Many lines, a second each.
fn long(lines: usize) -> Vec<Made> {
    let made = Made {
        time: 20,
        late: false,
        level: "INFO",
        source: "web",
        word: "request",
        padding: 150,
    };
    vec![made; lines]
}

#[test]
fn a_minute_costs_what_is_read_around_it_and_not_the_whole() {
    let files = [
        (Form::Packed { frame: 100_000 }, long(20_000)),
        (Form::Plain, long(20_000)),
        (Form::Plain, long(20_000)),
    ];
    let log = Log::write(&files);
    let search = log.search();
    for since in [5_000, 25_000, 45_000] {
        let before = search.bytes_read();
        let filter = Filter {
            since: since * SECOND,
            until: (since + 60) * SECOND,
            ..Filter::default()
        };
        let query = Query {
            filter,
            ..Query::default()
        };
        assert_eq!(all(&search, &query, |_| ()).len(), 60);
        let read = search.bytes_read() - before;
        assert!(read < 1_500_000, "{read} bytes of 10 MB were read");
    }
}

#[test]
fn a_page_amid_a_busy_second_does_not_begin_with_all_of_it() {
    for form in [Form::Plain, Form::Packed { frame: 50_000 }] {
        let busy = vec![
            Made {
                time: 0,
                ..long(1)[0].clone()
            };
            40_000
        ];
        let log = Log::write(&[(form, busy), (Form::Plain, long(1))]);
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let search = log.search();
            let query = Query {
                order,
                limit: Some(4000),
                ..Query::default()
            };
            assert_eq!(all(&search, &query, |_| ()), log.scan(&query.filter, order));
            let read = search.bytes_read();
            assert!(read < 25_000_000, "{read} bytes of 7 MB were read for 11 pages");
        }
    }
}

#[test]
fn the_folder_may_not_be_there_yet() {
    let search = Search::new("/nonexistent/log.txt".into(), Format::default());
    assert_eq!(all(&search, &Query::default(), |_| ()), Vec::<String>::new());
}

#[test]
fn half_a_line_is_not_there_yet() {
    let log = Log::write(&[(Form::Plain, long(2))]);
    let path = log.folder.path().join("log.txt");
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    assert_eq!(all(&log.search(), &Query::default(), |_| ()).len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_are_searched() {
    let log = Log::write(&[(Form::Plain, long(2))]);
    fs::write(
        log.folder.path().join("log-20250101-000000-0001.txt.zst"),
        b"not compressed",
    )
    .unwrap();
    let page = log.search().page(&Query::default(), &|| false).unwrap();
    assert_eq!(page.unreadable, ["log-20250101-000000-0001.txt"]);
    assert_eq!(lines_of(&page).len(), 2);
}

#[test]
fn a_search_that_nobody_waits_for_ends() {
    let log = Log::write(&[(Form::Plain, long(2))]);
    let error = log.search().page(&Query::default(), &|| true).err();
    assert_eq!(
        error.map(|error| error.kind()),
        Some(std::io::ErrorKind::ConnectionAborted)
    );
}

/// Compresses a file in frames of at least so many bytes, many for little.
fn pack(path: &Path, frame: usize) {
    let source = fs::File::open(path).unwrap();
    seekable::pack(&source, &path.with_extension("txt.zst"), frame).unwrap();
    fs::remove_file(path).unwrap();
}

/// All that a follower gets, from a position on, in steps.
fn follow(search: &Search, position: &mut Position, filter: &Filter) -> Vec<(Mark, String)> {
    let mut told = Vec::new();
    for _ in 0..1000 {
        let step = search.follow(position, filter).unwrap();
        assert!(!step.missed);
        told.extend(
            step.entries
                .into_iter()
                .map(|(mark, entry)| (mark, String::from_utf8(entry).unwrap())),
        );
        if !step.more {
            return told;
        }
    }
    panic!("there is always more");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_follower_gets_each_line_once_through_rotations_and_reconnections(
        files in files(),
        filter in filter(),
        last in 0..30usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let log = Log::write(&files);
        let path = log.folder.path().join("log.txt");
        let all = fs::read(&path).unwrap();
        let wanted: Vec<_> = log.entries.iter().filter(|kept| kept.read(|entry| filter.wants(entry))).map(|kept| kept.read(told)).collect();
        let search = log.search();
        let mut lengths: Vec<_> = cuts.iter().map(|cut| cut.index(all.len() + 1)).chain([all.len()]).collect();
        lengths.sort_unstable();
        // The file grows by any number of bytes at a time, half lines included.
        fs::write(&path, &all[..lengths[0]]).unwrap();
        let (mut position, step) = search.end(&filter, last).unwrap();
        let from_before = step.entries.len();
        prop_assert!(from_before <= last);
        let mut found: Vec<_> = step.entries.into_iter().map(|(mark, entry)| (mark, String::from_utf8(entry).unwrap())).collect();
        for &length in &lengths {
            fs::File::options().append(true).open(&path).unwrap().write_all(&all[fs::metadata(&path).unwrap().len() as usize..length]).unwrap();
            found.extend(follow(&search, &mut position, &filter));
            if let Some((mark, _)) = found.last() {
                position = Mark::parse(&mark.to_string()).unwrap().into();
            }
        }
        log.rotate();
        prop_assert_eq!(follow(&search, &mut position, &filter).len(), 0);
        log.archive();
        fs::write(&path, &all[..lengths[0]]).unwrap();
        let told: Vec<_> = found.iter().map(|(_, entry)| entry.clone()).collect();
        prop_assert!(wanted.ends_with(&told), "{:?} of {:?}", told, wanted);
        prop_assert!(told.len() >= last.min(wanted.len()));
    }
}

#[test]
fn a_follower_goes_on_in_the_file_after_the_one_it_was_in() {
    let log = Log::write(&[(Form::Plain, long(1000))]);
    let path = log.folder.path().join("log.txt");
    let (search, filter) = (log.search(), Filter::default());
    let (mut position, step) = search.end(&filter, 3).unwrap();
    assert_eq!(step.entries.len(), 3);
    log.rotate();
    assert_eq!(follow(&search, &mut position, &filter).len(), 0);
    let line = b"2026-11-23 12:00:00;INFO;web;new\n";
    fs::write(&path, line).unwrap();
    assert_eq!(follow(&search, &mut position, &filter).len(), 1);
    log.archive();
    // After a restart the follower has nothing but the id of the last event it saw.
    let mark = step.entries[2].0;
    assert_eq!(follow(&search, &mut mark.into(), &filter).len(), 1);
    fs::write(&path, [line, &line[..]].concat()).unwrap();
    assert_eq!(follow(&search, &mut position, &filter).len(), 1);
}

#[test]
fn whoever_follows_a_file_that_is_gone_is_told_and_goes_on_with_the_one_that_is_written() {
    let log = Log::write(&[(Form::Plain, long(3))]);
    let mut position = Mark::parse("1234-0").unwrap().into();
    let (search, filter) = (log.search(), Filter::default());
    assert!(search.follow(&mut position, &filter).unwrap().missed);
    assert_eq!(follow(&search, &mut position, &filter).len(), 3);
}
