//! Any bytes as the files of a log: searching them ends, in both orders, and finds no entry twice; so does following.
//!
//! A byte 0xff ends each file but the last: the one that is written, its side file, a rotated one, a compressed one.
#![no_main]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use headrace_core::logs::{
    filter::Filter,
    line::Format,
    search::{Order, Query, Search},
};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = [
    "log.txt",
    "log.txt.late",
    "log-20261123-154000-0001.txt",
    "log-20261123-154001-0001.txt.zst",
];

/// Far more pages and steps than an input has lines.
const MOST: usize = 10_000;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("headrace-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
});

fn search(path: &Path, order: Order) {
    let search = Search::new(path.to_owned(), Format::default());
    let mut query = Query {
        order,
        limit: Some(3),
        patience: Duration::ZERO,
        ..Query::default()
    };
    let mut cursors = Vec::new();
    while let Some(next) = search.page(&query, &|| false).ok().and_then(|page| page.next) {
        assert!(!cursors.contains(&next), "a search that goes in circles");
        assert!(cursors.len() < MOST, "a search without end");
        cursors.push(next);
        query.after = Some(next);
    }
}

fn follow(path: &Path) {
    let search = Search::new(path.to_owned(), Format::default());
    let Ok((mut position, _)) = search.end(&Filter::default(), 5) else {
        return;
    };
    let more = (0..MOST).find(|_| {
        !search
            .follow(&mut position, &Filter::default())
            .is_ok_and(|step| step.more)
    });
    assert!(more.is_some(), "there is always more to follow");
}

fuzz_target!(|bytes: &[u8]| {
    let mut files = bytes.splitn(NAMES.len(), |byte| *byte == 0xff);
    for name in NAMES {
        fs::write(FOLDER.join(name), files.next().unwrap_or_default()).expect("a file");
    }
    let path = FOLDER.join(NAMES[0]);
    search(&path, Order::OldestFirst);
    search(&path, Order::NewestFirst);
    follow(&path);
});
