//! Entries as OpenTelemetry exports them: `POST /v1/logs`, OTLP/HTTP in its JSON form.
//!
//! | of a record | here |
//! |---|---|
//! | `timeUnixNano`, else `observedTimeUnixNano` | the time |
//! | `severityNumber`, else `severityText` | the level |
//! | the resource's `service.name` | the source |
//! | `body` | the message, as JSON where it is no string |
//! | `attributes` | fields |
//! | `traceId`, `spanId`, `eventName`, the scope's name, the resource's other attributes | the fields `trace_id`, `span_id`, `event_name`, `scope`, `resource` |

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    batch::{Batch, Draft, Wrong, level_of, push_field, text},
    json::{Malformed, utf8},
    level, timestamp,
};
use crate::intake::{Scan, one_line, sound};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    #[serde(borrow, default)]
    resource_logs: Vec<ResourceLogs<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow, default)]
    resource: Attributed<'a>,
    #[serde(borrow, default)]
    scope_logs: Vec<ScopeLogs<'a>>,
}

#[derive(Default, Deserialize)]
struct Attributed<'a> {
    #[serde(borrow, default)]
    attributes: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow, default)]
    scope: Scope<'a>,
    #[serde(borrow, default)]
    log_records: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Scope<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow, default)]
    time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    observed_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    severity_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    severity_text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    span_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_name: Option<&'a RawValue>,
}

/// What the records of one resource and scope share.
struct Origin<'a> {
    source: Cow<'a, str>,
    /// Members of an object.
    fields: String,
}

/// Adds the entries of `body` to `batch`.
pub fn read(body: &[u8], batch: &mut Batch) -> Result<(), Malformed> {
    let export: Export<'_> =
        serde_json::from_str(utf8(body)?).map_err(|error| format!("Not an export of OTLP's logs: {error}."))?;
    for ResourceLogs { resource, scope_logs } in export.resource_logs {
        for ScopeLogs { scope, log_records } in scope_logs {
            let origin = Origin::new(&resource, &scope);
            for record in log_records {
                batch.add(match &origin {
                    Ok(origin) => entry(origin, record.get()),
                    Err(wrong) => Err(wrong.clone()),
                });
            }
        }
    }
    Ok(())
}

impl<'a> Origin<'a> {
    fn new(resource: &Attributed<'a>, scope: &Scope<'a>) -> Result<Self, Wrong> {
        let (mut source, mut rest, mut fields) = (Cow::default(), String::new(), String::new());
        for attribute in &resource.attributes {
            let (name, value) = pair(attribute.get())?;
            match text(name).as_ref() {
                "service.name" => source = content(value)?,
                _ => push_value(&mut rest, name, value)?,
            }
        }
        if let Some(name) = given(scope.name) {
            push_field(&mut fields, "\"scope\"", &sound(name));
        }
        if !rest.is_empty() {
            push_field(&mut fields, "\"resource\"", &format!("{{{rest}}}"));
        }
        Ok(Self { source, fields })
    }
}

fn entry<'a>(origin: &'a Origin<'a>, record: &'a str) -> Result<Draft<'a>, Wrong> {
    let record: Record<'a> = serde_json::from_str(record).map_err(|error| format!("Not a log record: {error}."))?;
    let said = [record.time_unix_nano, record.observed_time_unix_nano]
        .into_iter()
        .filter_map(given);
    // 0 is "unknown" (logs.proto).
    let said = said.map(|said| (said, text(said))).find(|(_, told)| told != "0");
    let time = said
        .as_ref()
        .map(|(_, told)| timestamp::read_number(told).ok_or("The time is not nanoseconds since 1970."));
    let mut fields = origin.fields.clone();
    for attribute in &record.attributes {
        let (name, value) = pair(attribute.get())?;
        push_value(&mut fields, name, value)?;
    }
    for (name, value) in [
        ("\"trace_id\"", record.trace_id),
        ("\"span_id\"", record.span_id),
        ("\"event_name\"", record.event_name),
    ] {
        if let Some(value) = given(value).filter(|value| *value != "\"\"") {
            push_field(&mut fields, name, &one_line(&sound(value)));
        }
    }
    Ok(Draft {
        time: time.transpose()?,
        said: said.map_or("", |(said, _)| said),
        level: record.level(),
        source: Cow::Borrowed(&origin.source),
        message: given(record.body).map_or(Ok(Cow::default()), content)?,
        fields,
    })
}

impl<'a> Record<'a> {
    fn level(&self) -> Cow<'a, str> {
        let number = given(self.severity_number).and_then(|number| text(number).parse().ok());
        match number.and_then(level::numbered_by_otlp) {
            Some(name) => name.into(),
            None => given(self.severity_text).map_or(Cow::default(), |name| level_of(text(name))),
        }
    }
}

/// What is there and is not `null`.
fn given(value: Option<&RawValue>) -> Option<&str> {
    value.map(RawValue::get).filter(|value| *value != "null")
}

/// A `KeyValue`: the name, quoted, and the value.
fn pair(attribute: &str) -> Result<(&str, &str), Wrong> {
    let (mut key, mut value) = (None, "{}");
    let read = Scan::new(attribute).object(|name, member| match name {
        "\"key\"" if member.starts_with('"') => key = Some(member),
        "\"value\"" => value = member,
        _ => {}
    });
    match (read, key) {
        (Some(()), Some(key)) => Ok((key, value)),
        _ => Err("An attribute has a key and a value.".into()),
    }
}

/// What an `AnyValue` says: a string's text, anything else as JSON.
fn content(value: &str) -> Result<Cow<'_, str>, Wrong> {
    if let ("\"stringValue\"", string) = only_member(value)? {
        return Ok(text(string));
    }
    let mut json = String::new();
    write_value(&mut json, value)?;
    Ok(json.into())
}

fn push_value(fields: &mut String, name: &str, value: &str) -> Result<(), Wrong> {
    let mut json = String::new();
    write_value(&mut json, value)?;
    push_field(fields, &sound(name), &json);
    Ok(())
}

/// Writes an `AnyValue` as plain JSON. It cannot nest deeper than what was scanned.
fn write_value(json: &mut String, value: &str) -> Result<(), Wrong> {
    match only_member(value)? {
        ("", _) => json.push_str("null"),
        // 64 bits, as a string because JavaScript's numbers have 53 (protobuf's JSON mapping).
        ("\"intValue\"", number) => {
            let number: i64 = text(number).parse().map_err(|_| "An intValue has 64 bits.")?;
            json.push_str(&number.to_string());
        }
        ("\"arrayValue\"", values) => {
            json.push('[');
            for (index, element) in elements(values)?.into_iter().enumerate() {
                json.push_str(if index > 0 { "," } else { "" });
                write_value(json, element)?;
            }
            json.push(']');
        }
        ("\"kvlistValue\"", values) => {
            let mut members = String::new();
            for element in elements(values)? {
                let (name, value) = pair(element)?;
                push_value(&mut members, name, value)?;
            }
            json.push('{');
            json.push_str(&members);
            json.push('}');
        }
        (_, plain) => json.push_str(&one_line(&sound(plain))),
    }
    Ok(())
}

/// The name, quoted, and the value of an object's only member; both empty where it has none.
fn only_member(value: &str) -> Result<(&str, &str), Wrong> {
    let mut member = ("", "");
    let read = Scan::new(value).object(|name, value| member = (name, value));
    read.map(|()| member)
        .ok_or_else(|| "A value is not OTLP's, or nests too deep.".into())
}

/// The elements of `{"values": [...]}`.
fn elements(list: &str) -> Result<Vec<&str>, Wrong> {
    match only_member(list)? {
        ("", _) => Ok(Vec::new()),
        (_, values) => Scan::new(values)
            .elements()
            .ok_or_else(|| "Values are an array.".into()),
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

    fn record(record: &str) -> String {
        let resource = r#"{"attributes": [{"key": "service.name", "value": {"stringValue": "blog"}}]}"#;
        let body =
            format!(r#"{{"resourceLogs": [{{"resource": {resource}, "scopeLogs": [{{"logRecords": [{record}]}}]}}]}}"#);
        told(&body).join("|")
    }

    #[test]
    fn a_record_becomes_an_entry() {
        for (json, expected) in [
            (
                r#"{"timeUnixNano": "1700000000000000001", "severityNumber": 9, "severityText": "Information",
                    "body": {"stringValue": "hello"}, "traceId": "5b8e", "spanId": "eee1", "flags": 1}"#,
                r#"1700000000000000001;INFO;blog;hello;{"trace_id":"5b8e","span_id":"eee1"}"#,
            ),
            (
                r#"{"timeUnixNano": "0", "observedTimeUnixNano": 1700000000000000002, "severityText": "warn", "traceId": ""}"#,
                "1700000000000000002;WARNING;blog;;",
            ),
            (
                r#"{"observedTimeUnixNano": "1", "body": {"kvlistValue": {"values": [
                    {"key": "a", "value": {"intValue": "-5"}}, {"key": "b", "value": {"arrayValue": {"values": [
                    {"boolValue": true}, {"doubleValue": 0.5}, {}, {"arrayValue": {}}, {"bytesValue": "AA=="}]}}}]}},
                    "attributes": [{"key": "user", "value": {"intValue": 7}}, {"key": "none"}]}"#,
                r#"1000000000;;blog;{"a":-5,"b":[true,0.5,null,[],"AA=="]};{"user":7,"none":null}"#,
            ),
            ("7", "0: Not a log record"),
            (r#"{"timeUnixNano": "soon"}"#, "0: The time is not nanoseconds"),
            (
                r#"{"timeUnixNano": "1", "attributes": [{"value": {}}]}"#,
                "0: An attribute has a key",
            ),
            (
                r#"{"timeUnixNano": "1", "attributes": [{"key": "a", "value": {"intValue": "x"}}]}"#,
                "0: An intValue has 64 bits",
            ),
            (r#"{"timeUnixNano": "1", "body": 7}"#, "0: A value is not OTLP's"),
        ] {
            let told = record(json);
            assert!(told.starts_with(expected), "{json}: {told}");
        }
    }

    #[test]
    fn the_scope_and_the_resource_are_kept() {
        let body = r#"{"resourceLogs": [{"resource": {"attributes": [
            {"key": "host.name", "value": {"stringValue": "a"}}, {"key": "service.name", "value": {"stringValue": "blog"}}]},
            "scopeLogs": [{"scope": {"name": "views"}, "logRecords": [{"timeUnixNano": "1700000000000000001"}]}]}, {}]}"#;
        let expected = r#"1700000000000000001;;blog;;{"scope":"views","resource":{"host.name":"a"}}"#;
        assert_eq!(told(body), [expected]);
        assert!(batch("[1]").is_err() && batch("").is_err());
        assert_eq!(batch("{}").map(|batch| batch.accepted()), Ok(0));
    }

    #[test]
    fn values_that_nest_deep_are_refused_or_written() {
        for depth in [1, 20, 60, 2000] {
            let body = r#"{"arrayValue":{"values":["#.repeat(depth) + &"]}}".repeat(depth);
            let _ = record(&format!(r#"{{"timeUnixNano": "1", "body": {body}}}"#));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(value in r#"[\[\]{}":,\\ a-z0-9]{0,60}"#) {
            let body = format!(r#"{{"timeUnixNano":"1","body":{value}}}"#);
            let _ = batch(&format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{body}]}}]}}]}}"#));
            let _ = content(&value);
        }
    }
}
