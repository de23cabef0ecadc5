//! Any bytes as entries, in each form that a client may send: what is taken is whole and on one line where it must be, and
//! written anew it is taken again and says the same; what is refused is counted.
#![no_main]

use headrace_core::logs::{
    Entry, Mark,
    batch::{Arrival, Batch, MAX_AHEAD},
    json, loki, otlp,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const NOW: i64 = 1_774_000_000_000_000_000;

type Form = fn(&[u8], &mut Batch) -> Result<(), String>;

fn read(form: Form, body: &[u8]) -> Option<Batch> {
    let mut batch = Batch::new(Arrival::new(NOW, MAX_AHEAD));
    form(body, &mut batch).ok().map(|()| batch)
}

/// The further fields. What a reader cannot make of them that keeps numbers as doubles is none of theirs.
fn fields(entry: &Entry) -> Map<String, Value> {
    assert!(!entry.fields.contains(['\n', '\r']), "fields are a line");
    assert!(entry.fields.is_empty() || entry.fields.starts_with('{') && entry.fields.ends_with('}'));
    serde_json::from_str(entry.fields).unwrap_or_default()
}

/// The entry in our own form, without the fields that would be taken for its own.
fn write(entry: &Entry) -> Vec<u8> {
    let mut object = fields(entry);
    object.retain(|name, _| {
        let own = ["level", "timestamp", "source", "message"];
        !own.iter().any(|own| name.eq_ignore_ascii_case(own))
    });
    // As text: the time, because a number tells its unit by its magnitude.
    let said = headrace_core::calendar::Moment::of(entry.time);
    let time = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        said.year, said.month, said.day, said.hour, said.minute, said.second, said.nanos
    );
    object.insert("Timestamp".into(), time.into());
    object.insert("Level".into(), entry.level.into());
    object.insert("Source".into(), entry.source.into());
    object.insert("Message".into(), entry.message.into());
    Value::Object(object).to_string().into_bytes()
}

fuzz_target!(|body: &[u8]| {
    for form in [json::read as Form, loki::read, otlp::read] {
        let Some(batch) = read(form, body) else { continue };
        let entries = batch.entries();
        assert_eq!(entries.len(), batch.accepted());
        assert_eq!(batch.errors().len(), batch.refused().min(100));
        for bytes in entries {
            let entry = Entry::decode(bytes).expect("what was encoded is decoded");
            let again = read(json::read, &write(&entry)).expect("what was taken is taken again");
            let bytes = again.entries();
            let again = Entry::decode(bytes[0]).expect("what was encoded is decoded");
            assert_eq!((again.time, again.mark), (entry.time, Mark::None));
            assert_eq!(
                (again.level, again.source, again.message),
                (entry.level, entry.source, entry.message)
            );
        }
    }
});
