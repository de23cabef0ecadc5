//! Entries as clients of Grafana Loki push them: `POST /loki/api/v1/push`, its JSON form.
//!
//! `{"streams": [{"stream": {"app": "blog", "level": "info"}, "values": [["1774000000000000000", "message", {"user": "7"}]]}]}`
//!
//! A stream's labels and an entry's structured metadata become fields, but for those that say level and source.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    batch::{Batch, Draft, Wrong, level_of, push_field, text},
    json::{Malformed, utf8},
    timestamp,
};
use crate::intake::{Scan, one_line, sound};

/// Labels that say the level (Loki itself looks for these), and the source, the first that is there.
const LEVEL: [&str; 4] = ["level", "detected_level", "severity", "lvl"];
const SOURCE: [&str; 6] = ["service_name", "source", "service", "app", "job", "container"];

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    streams: Vec<Stream<'a>>,
}

#[derive(Deserialize)]
struct Stream<'a> {
    #[serde(borrow)]
    stream: &'a RawValue,
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
}

/// Adds the entries of `body` to `batch`.
pub fn read(body: &[u8], batch: &mut Batch) -> Result<(), Malformed> {
    let push: Push<'_> =
        serde_json::from_str(utf8(body)?).map_err(|error| format!("Not a push of Loki's: {error}."))?;
    for Stream { stream, values } in push.streams {
        let labels = Labels::default().with(stream.get());
        for value in values {
            let labels = labels.clone();
            batch.add(labels.and_then(|labels| entry(labels, value.get())));
        }
    }
    Ok(())
}

fn entry<'a>(labels: Labels<'a>, value: &'a str) -> Result<Draft<'a>, Wrong> {
    let mut scan = Scan::new(value);
    let parts = scan.elements().unwrap_or_default();
    let (time, message, metadata) = match parts[..] {
        [time, message] => (time, message, "{}"),
        [time, message, metadata] => (time, message, metadata),
        _ => return Err("A value is an array of time, line and perhaps metadata.".into()),
    };
    if !message.starts_with('"') {
        return Err("The line is not a string.".into());
    }
    let told = timestamp::read(&text(time)).ok_or("The time is not nanoseconds since 1970.")?;
    let mut labels = labels.with(metadata)?;
    let level = labels.take(&LEVEL);
    let source = labels.take(&SOURCE);
    Ok(Draft {
        time: Some(told),
        said: time,
        level: level_of(level),
        source,
        message: text(message),
        fields: labels.fields(),
    })
}

/// Names and values, as they stand in the JSON.
#[derive(Debug, Default, Clone)]
struct Labels<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Labels<'a> {
    fn with(mut self, object: &'a str) -> Result<Self, Wrong> {
        let object = Scan::new(object).object(|name, value| self.0.push((name, value)));
        object.map(|()| self).ok_or_else(|| "Labels are a JSON object.".into())
    }

    /// Takes out the first of `names` that is there; empty where none is.
    fn take(&mut self, names: &[&str]) -> Cow<'a, str> {
        let place = names
            .iter()
            .find_map(|name| self.0.iter().position(|(label, _)| text(label) == *name));
        place.map_or_else(Cow::default, |place| text(self.0.remove(place).1))
    }

    fn fields(&self) -> String {
        let mut fields = String::new();
        for (name, value) in &self.0 {
            push_field(&mut fields, &sound(name), &one_line(&sound(value)));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::batch::{Arrival, MAX_AHEAD},
        *,
    };

    fn batch(body: &str) -> Result<Batch, Malformed> {
        let mut batch = Batch::new(Arrival::new(1_774_000_000_000_000_000, MAX_AHEAD));
        read(body.as_bytes(), &mut batch).map(|()| batch)
    }

    fn told(body: &str) -> Vec<String> {
        batch(body).unwrap_or_else(|error| panic!("{body}: {error}")).told()
    }

    #[test]
    fn labels_and_metadata_say_level_and_source_and_become_fields() {
        let body = r#"{"streams": [
            {"stream": {"app": "blog", "level": "warn", "env": "test"}, "values": [
                ["1700000000000000001", "one"],
                ["1700000000000000002", "two\nlines", {"user": "7", "detected_level": "x"}],
                ["soon", "three"],
                [1, 2],
                ["1700000000000000003"]
            ]},
            {"stream": {}, "values": [["1700000000000000004", ""]]}
        ]}"#;
        assert_eq!(
            told(body),
            [
                "1700000000000000001;WARNING;blog;one;{\"env\":\"test\"}",
                "1700000000000000002;WARNING;blog;two\nlines;{\"env\":\"test\",\"user\":\"7\",\"detected_level\":\"x\"}",
                "1700000000000000004;;;;",
                "2: The time is not nanoseconds since 1970.",
                "3: The line is not a string.",
                "4: A value is an array of time, line and perhaps metadata.",
            ]
        );
    }

    #[test]
    fn what_is_no_push_is_refused() {
        for body in ["", "[]", "{}", r#"{"streams": {}}"#, r#"{"streams": [{"stream": {}}]}"#] {
            assert!(batch(body).is_err(), "{body}");
        }
        let odd = r#"{"streams": [{"stream": [], "values": [["1", ""]]}]}"#;
        assert_eq!(told(odd), ["0: Labels are a JSON object."]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(values in r#"[\[\]{}":,\\ a-z0-9]{0,60}"#) {
            let _ = batch(&format!(r#"{{"streams":[{{"stream":{{}},"values":[{values}]}}]}}"#));
        }
    }
}
