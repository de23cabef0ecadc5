use proptest::prelude::*;

use super::*;
use crate::logs::Mark;

const ENTRY: Entry<'static> = Entry {
    time: 1_795_448_400_123_456_789,
    mark: Mark::None,
    level: "INFO",
    source: "load balancer",
    message: "Registering application server with address: 127.0.0.1:3000",
    fields: "",
};

fn line(format: &Format, entry: &Entry<'_>) -> String {
    let mut bytes = Vec::new();
    format.write(entry, &mut Stamp::default(), &mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn with(template: &str, entry: &Entry<'_>) -> String {
    line(&Format::parse(template).unwrap(), entry)
}

#[test]
fn a_line_is_what_the_contract_says() {
    let wanted = "2026-11-23 15:40:00;INFO;load balancer;Registering application server with address: 127.0.0.1:3000\n";
    assert_eq!(line(&Format::default(), &ENTRY), wanted);
}

#[test]
fn further_fields_are_one_more_column() {
    let entry = Entry {
        message: "slow",
        fields: r#"{"took":"1;2\n"}"#,
        ..ENTRY
    };
    let wanted = "2026-11-23 15:40:00;INFO;load balancer;slow;{\"took\":\"1;2\\n\"}\n";
    assert_eq!(line(&Format::default(), &entry), wanted);
}

#[test]
fn a_field_cannot_forge_a_line_or_a_column() {
    let message = "a\n2026-11-23 15:40:00;INFO;x;b\r\\;\t\u{1b}[2J\u{85}\u{2028}\u{202e}\u{7f}";
    let forged = line(&Format::default(), &Entry { message, ..ENTRY });
    let wanted = concat!(
        "2026-11-23 15:40:00;INFO;load balancer;a\\n2026-11-23 15:40:00\\;INFO\\;x\\;b\\r\\\\\\;\\t\\u{1b}[2J",
        "\\u{85}\\u{2028}\\u{202e}\\u{7f}\n"
    );
    assert_eq!(forged, wanted);
}

#[test]
fn a_template_says_what_stands_where() {
    let entry = Entry {
        source: "a: b",
        message: "c d]",
        ..ENTRY
    };
    for (template, wanted) in [
        ("{time:ms} [{level}] {message}", "2026-11-23 15:40:00.123 [INFO] c d]\n"),
        (
            "{time:us} {source}: {message}",
            "2026-11-23 15:40:00.123456 a\\: b: c d]\n",
        ),
        ("{time:ns}|{message}", "2026-11-23 15:40:00.123456789|c d]\n"),
        ("{time} {message}]", "2026-11-23 15:40:00 c d\\]]\n"),
        ("{time}", "2026-11-23 15:40:00\n"),
    ] {
        assert_eq!(with(template, &entry), wanted);
    }
}

#[test]
fn fields_stand_where_the_template_names_them() {
    let entry = Entry {
        message: "a",
        fields: r#"{"b":1}"#,
        ..ENTRY
    };
    assert_eq!(
        with("{time} {message} {fields}", &entry),
        "2026-11-23 15:40:00 a {\"b\":1}\n"
    );
    assert_eq!(with("{time} {message}", &entry), "2026-11-23 15:40:00 a;{\"b\":1}\n");
}

#[test]
fn a_template_that_could_not_be_read_back_is_refused() {
    for (template, why) in [
        ("", "begin with {time}"),
        ("{level};{time}", "begin with {time}"),
        ("{time:s};{message}", "begin with {time}"),
        ("{time};{level}{message}", "before {message}"),
        ("{time}{level}", "before {level}"),
        ("{time};{time}", "{time} is not one of"),
        ("{time};{level};{level}", "twice"),
        ("{time};{fields};{message}", "last"),
        ("{time};{messages}", "{messages} is not one of"),
        ("{time};{message", "no }"),
        ("{time}x{message}", "must begin with"),
        ("{time}\\{message}", "must begin with"),
        ("{time};\n{message}", "must begin with"),
    ] {
        let refused = Format::parse(template).unwrap_err();
        assert!(refused.contains(why), "{template}: {refused}");
    }
}

#[test]
fn json_lines_have_four_members_and_what_else_was_said() {
    let entry = Entry {
        message: "say \"hi\"\n\u{1b}",
        fields: "{ \"a\": [1,\n 2] }",
        ..ENTRY
    };
    let wanted = concat!(
        r#"{"time":"2026-11-23T15:40:00.123456789Z","level":"INFO","source":"load balancer","#,
        r#""message":"say \"hi\"\n\u001b","a": [1,  2]}"#,
        "\n"
    );
    assert_eq!(with("json", &entry), wanted);
    serde_json::from_str::<serde_json::Value>(wanted).unwrap();
}

#[test]
fn what_is_no_line_of_the_form_is_none() {
    for setting in ["json", "{time};{level};{source};{message}"] {
        let format = Format::parse(setting).unwrap();
        for text in [
            &b""[..],
            b"2026-11-23 15:40",
            b"2026-02-30 15:40:00;a;b;c",
            b"2026-11-23 15:40:00;a;b",
            b"2026-11-23 15:40:00;a;b;c;d",
            b"2026-11-23 15:40:00;a;b;c;",
            b"2026-11-23 15:40:00;a;b;\xff",
            b"{\"time\":\"2026-11-23T15:40:00.123456789Z\"",
            b"{\"time\":\"2026-11-23T15:40:00.123456789Z\",\"level\":\"\\",
        ] {
            assert_eq!(format.read(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}

#[test]
fn the_second_of_the_line_before_is_not_taken_for_this_one() {
    let mut stamp = Stamp::default();
    let (format, mut bytes) = (Format::default(), Vec::new());
    for time in [0, -1, 999_999_999, 1_000_000_000, i64::MAX, i64::MIN + 1_000_000_000] {
        bytes.clear();
        format.write(&Entry { time, ..ENTRY }, &mut stamp, &mut bytes);
        let read = format.time_of(&bytes).unwrap();
        assert_eq!(read.div_euclid(1_000_000_000), time.div_euclid(1_000_000_000));
    }
}

fn settings() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{time:ns};{level};{source};{message}",
        "{time:ns} [{level}] {source}: {message}",
        "{time:ns} - {source} {level}: {message} {fields}",
        "{time:ns}|{message}|{source}|{level}|",
        "json",
    ])
}

fn fields() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::collection::btree_map(any::<String>(), any::<String>(), 1..4)
            .prop_map(|map| serde_json::to_string(&map).unwrap()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[;:|\\\\ n\\]\\[{}u\n\r\u{1b}\u{85}\u{2028}-]{0,20}"]
}

proptest! {
    #[test]
    fn a_line_is_read_as_it_was_written(
        setting in settings(), time: i64, level in text(), source in text(), message in text(), fields in fields(),
    ) {
        let format = Format::parse(setting).unwrap();
        let entry = Entry { time, mark: Mark::None, level: &level, source: &source, message: &message, fields: &fields };
        // The first nanosecond's second begins before it.
        prop_assume!(time > i64::MIN + 1_000_000_000);
        let written = line(&format, &entry);
        let (last, rest) = written.as_bytes().split_last().unwrap();
        prop_assert_eq!(*last, b'\n');
        prop_assert!(!written[..rest.len()].contains(escape::hides));
        prop_assert_eq!(format.time_of(rest), Some(time));
        let read = format.read(rest).unwrap();
        prop_assert_eq!((read.time, &*read.level, &*read.source, &*read.message), (time, &*level, &*source, &*message));
        let value = |fields: &str| serde_json::from_str::<serde_json::Value>(fields).ok();
        prop_assert_eq!(value(&read.fields), value(&fields));
    }

    #[test]
    fn any_bytes_can_be_read(setting in settings(), bytes: Vec<u8>) {
        let format = Format::parse(setting).unwrap();
        let _ = (format.read(&bytes), format.time_of(&bytes));
    }

    #[test]
    fn any_field_can_be_read(setting in settings(), text in text()) {
        let format = Format::parse(setting).unwrap();
        let _ = format.read(format!("2026-11-23 15:40:00.123456789;{text}").as_bytes());
    }
}
