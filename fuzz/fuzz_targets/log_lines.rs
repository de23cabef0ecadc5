//! Any bytes as a line of a log file: what is read of it is written as a line that reads the same, in either form.
#![no_main]

use std::sync::LazyLock;

use headrace_core::logs::line::{Format, Stamp};
use libfuzzer_sys::fuzz_target;

static FORMATS: LazyLock<[Format; 3]> = LazyLock::new(|| {
    [
        "{time};{level};{source};{message}",
        "{time:ns} [{level}] {message} {fields}",
        "json",
    ]
    .map(|setting| Format::parse(setting).expect("a form of lines"))
});

fuzz_target!(|line: &[u8]| {
    for format in FORMATS.iter() {
        let Some(read) = format.read(line) else {
            continue;
        };
        assert_eq!(format.time_of(line), Some(read.time), "its time can be read alone");
        let mut written = Vec::new();
        format.write(&read.as_entry(), &mut Stamp::default(), &mut written);
        let (end, anew) = written.split_last().expect("a line has an end");
        assert!(*end == b'\n' && !anew.contains(&b'\n'), "it is one line");
        let again = format.read(anew).expect("what was written is read");
        assert_eq!(
            (again.time, &again.level, &again.source, &again.message),
            (read.time, &read.level, &read.source, &read.message)
        );
    }
});
