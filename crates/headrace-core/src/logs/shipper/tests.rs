//! Against a collector that answers what it is told, and keeps what it was sent.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::*;

const SOON: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Seen {
    /// Statuses of the next answers, 200 after them; 0 closes without one, 1 never answers.
    answers: VecDeque<u16>,
    keys: Vec<String>,
    lines: Vec<String>,
    authorization: String,
}

struct Collector {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Collector {
    fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen {
            answers: answers.iter().copied().collect(),
            ..Seen::default()
        }));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(socket, &shared));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn messages(&self) -> Vec<String> {
        let lines = self.seen().lines.clone();
        let message = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["Message"].clone();
        lines
            .iter()
            .map(|line| message(line).as_str().unwrap().to_owned())
            .collect()
    }
}

/// Answers requests until the connection ends.
fn serve(socket: TcpStream, shared: &Mutex<Seen>) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut writer = socket;
    while let Some((fields, body)) = request(&mut reader) {
        let mut seen = shared.lock().unwrap();
        let status = seen.answers.pop_front().unwrap_or(200);
        seen.keys.push(fields["idempotency-key"].clone());
        seen.authorization = fields.get("authorization").cloned().unwrap_or_default();
        if status == 200 {
            let packed = fields.get("content-encoding").is_some_and(|coding| coding == "zstd");
            let plain = if packed {
                zstd::bulk::decompress(&body, 1 << 24).unwrap()
            } else {
                body
            };
            seen.lines
                .extend(String::from_utf8(plain).unwrap().lines().map(str::to_owned));
        }
        drop(seen);
        match status {
            0 => return,
            1 => thread::sleep(SOON),
            _ => write!(
                writer,
                "HTTP/1.1 {status} x\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{{}}"
            )
            .unwrap(),
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(HashMap<String, String>, Vec<u8>)> {
    let mut fields = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => drop(fields.insert(name.to_owned(), value.to_owned())),
            None if line == "\r\n" => break,
            None => {}
        }
    }
    let mut body = vec![0; fields["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some((fields, body))
}

fn options(url: &str, spill: Option<&Path>) -> ShipperOptions {
    ShipperOptions {
        url: url.to_owned(),
        ca: None,
        token: "secret".to_owned(),
        source: "shop".to_owned(),
        queue_bytes: 1 << 20,
        spill: spill.map(Path::to_owned),
        spill_bytes: 1 << 20,
        patience: Patience::default(),
    }
}

fn put(shipper: &LogShipper, message: &str) -> bool {
    let entry = Entry {
        message,
        ..Entry::default()
    };
    shipper.put(&entry, false)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// A URL at which nobody answers.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn entries_arrive_in_order_with_a_key_and_the_token() {
    let collector = Collector::start(&[]);
    let shipper = LogShipper::start(options(&collector.url, None)).unwrap();
    let messages: Vec<_> = (0..10_000).map(|number| format!("entry {number}")).collect();
    assert!(messages.iter().all(|message| put(&shipper, message)));
    assert!(shipper.close(SOON));
    assert_eq!(collector.messages(), messages);
    assert_eq!(collector.seen().authorization, "Bearer secret");
    assert_eq!(shipper.counts().acknowledged, 10_000);
    assert!(!put(&shipper, "too late"));
}

#[test]
fn an_entry_leaves_by_itself_and_an_urgent_one_at_once() {
    let collector = Collector::start(&[]);
    let shipper = LogShipper::start(options(&collector.url, None)).unwrap();
    assert!(put(&shipper, "by itself"));
    until("the first", || collector.messages().len() == 1);
    assert!(shipper.put(&Entry::default(), true));
    until("the second", || collector.messages().len() == 2);
}

#[test]
fn a_batch_without_an_answer_is_sent_again_under_its_key() {
    for answers in [&[0][..], &[503, 429], &[500]] {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::start(answers);
        let shipper = LogShipper::start(options(&collector.url, Some(folder.path()))).unwrap();
        put(&shipper, "once");
        assert!(shipper.flush(SOON));
        until("once", || collector.messages() == ["once"]);
        let keys = collector.seen().keys.clone();
        assert_eq!(keys.len(), answers.len() + 1);
        assert!(keys.iter().all(|key| *key == keys[0]));
        until("an empty file", || shipper.counts().spilled == 0);
        assert!(shipper.close(SOON));
        assert_eq!(files(folder.path()), 0);
    }
}

#[test]
fn what_is_refused_for_good_is_counted_and_the_next_ones_go_on() {
    let collector = Collector::start(&[401]);
    let shipper = LogShipper::start(options(&collector.url, None)).unwrap();
    put(&shipper, "refused");
    assert!(shipper.flush(SOON));
    put(&shipper, "taken");
    assert!(shipper.close(SOON));
    assert_eq!(collector.messages(), ["taken"]);
    assert_eq!((shipper.counts().refused, shipper.counts().acknowledged), (1, 1));
}

#[test]
fn an_entry_that_no_collector_would_take_is_cut() {
    let collector = Collector::start(&[]);
    let roomy = ShipperOptions {
        queue_bytes: 8 << 20,
        ..options(&collector.url, None)
    };
    let shipper = LogShipper::start(roomy).unwrap();
    let whole = "ü".repeat(LONGEST / 2);
    assert!(put(&shipper, &whole));
    assert!(put(&shipper, &(whole.clone() + "!")));
    let fields = format!(r#"{{"exception":"{}"}}"#, "\\n".repeat(LONGEST / 2));
    let entry = Entry {
        message: "\u{1}",
        fields: &fields,
        ..Entry::default()
    };
    assert!(shipper.put(&entry, true));
    assert!(shipper.flush(SOON));
    let messages = collector.messages();
    assert_eq!(messages[0], whole);
    assert!(messages[1].ends_with("üü... (cut, 524289 bytes)") && messages[1].len() <= LONGEST);
    assert_eq!(messages[2], "\u{1}");
    let last = collector.seen().lines[2].clone();
    assert!(
        last.contains(&format!("further fields of {} bytes", fields.len())),
        "{last}"
    );
}

#[test]
fn what_finds_no_room_is_dropped_and_told() {
    let collector = Collector::start(&[503, 503, 503]);
    let mut options = options(&collector.url, None);
    options.queue_bytes = 1000;
    let shipper = LogShipper::start(options).unwrap();
    put(&shipper, "first");
    until("an attempt", || !collector.seen().keys.is_empty());
    let taken = (0..100).filter(|_| put(&shipper, "another one")).count();
    assert!(taken < 100);
    assert!(shipper.flush(SOON));
    assert!(shipper.close(SOON));
    let messages = collector.messages();
    let told = format!(
        "{} entries were dropped: more were logged than could be sent",
        100 - taken
    );
    assert!(messages.contains(&told), "{messages:?}");
    assert_eq!(messages.len(), taken + 2);
    assert_eq!(shipper.counts().dropped, 100 - taken as u64);
}

#[test]
fn a_process_leaves_what_it_could_not_send_to_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let shipper = LogShipper::start(options(&nobody(), Some(folder.path()))).unwrap();
    for number in 0..3 {
        put(&shipper, &format!("entry {number}"));
        assert!(shipper.flush(SOON));
    }
    assert!(shipper.close(SOON));
    assert_eq!(shipper.counts().spilled, 3);
    let collector = Collector::start(&[]);
    let next = LogShipper::start(options(&collector.url, Some(folder.path()))).unwrap();
    until("the orphan", || {
        collector.messages() == ["entry 0", "entry 1", "entry 2"]
    });
    until("its end", || files(folder.path()) == 0);
    assert_eq!(next.counts().adopted, 3);
}

#[test]
fn an_end_does_not_wait_for_a_collector_that_hangs_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(&[1]);
    let shipper = LogShipper::start(options(&collector.url, Some(folder.path()))).unwrap();
    put(&shipper, "kept");
    until("an attempt", || !collector.seen().keys.is_empty());
    put(&shipper, "kept, too");
    assert!(shipper.close(Duration::from_secs(4)));
    assert_eq!((shipper.counts().spilled, files(folder.path())), (2, 1));
}

#[test]
fn a_folder_that_cannot_be_made_is_no_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let collector = Collector::start(&[503, 503]);
    let shipper = LogShipper::start(options(&collector.url, Some(&file.path().join("folder")))).unwrap();
    put(&shipper, "from memory");
    until("its arrival", || collector.messages() == ["from memory"]);
}
