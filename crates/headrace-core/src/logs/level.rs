//! Levels: one name for each, whatever it is called where an entry comes from.
//!
//! | here | severity | Python | syslog | OTLP |
//! |---|---|---|---|---|
//! | TRACE | 5 | | | 1-4 |
//! | DEBUG | 10 | 10 | 7 | 5-8 |
//! | INFO | 20 | 20 | 6 | 9-12 |
//! | NOTICE | 25 | | 5 | |
//! | WARNING | 30 | 30 | 4 | 13-16 |
//! | ERROR | 40 | 40 | 3 | 17-20 |
//! | CRITICAL | 50 | 50 | 2 | 21-24 |
//! | ALERT | 60 | | 1 | |
//! | PANIC | 70 | | 0 | |

/// The names, from the least to the most severe, with their severities.
pub const LEVELS: [(&str, u8); 9] = [
    ("TRACE", 5),
    ("DEBUG", 10),
    ("INFO", 20),
    ("NOTICE", 25),
    ("WARNING", 30),
    ("ERROR", 40),
    ("CRITICAL", 50),
    ("ALERT", 60),
    ("PANIC", 70),
];

/// Other names for some of them.
const ALIASES: [(&str, &str); 10] = [
    ("WARN", "WARNING"),
    ("ERR", "ERROR"),
    ("CRIT", "CRITICAL"),
    ("FATAL", "CRITICAL"),
    ("EMERG", "PANIC"),
    ("EMERGENCY", "PANIC"),
    ("INFORMATION", "INFO"),
    ("INFORMATIONAL", "INFO"),
    ("VERBOSE", "DEBUG"),
    ("SEVERE", "ERROR"),
];

/// The name of a level by any of its names, in any case; none where it is unknown and stays as it came.
pub fn named(name: &str) -> Option<&'static str> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let mut own = LEVELS.iter().map(|(own, _)| *own);
    let exactly = own.clone().find(|own| *own == name);
    exactly
        .or_else(|| own.find(|own| is(own)))
        .or_else(|| ALIASES.iter().find(|(alias, _)| is(alias)).map(|(_, own)| *own))
}

/// How severe a level of any name is; none where it is unknown.
pub fn severity(name: &str) -> Option<u8> {
    let own = named(name)?;
    LEVELS
        .iter()
        .find(|(name, _)| *name == own)
        .map(|(_, severity)| *severity)
}

/// The level of a number: 0 to 7 are syslog's (RFC 5424, 6.2.1), from 10 on Python's, where a number in between means the
/// level below it.
pub fn numbered(number: i64) -> Option<&'static str> {
    match number {
        0 => Some("PANIC"),
        1 => Some("ALERT"),
        2 => Some("CRITICAL"),
        3 => Some("ERROR"),
        4 => Some("WARNING"),
        5 => Some("NOTICE"),
        6 => Some("INFO"),
        7 => Some("DEBUG"),
        10..=70 => {
            let below = LEVELS.iter().rev().find(|(_, severity)| i64::from(*severity) <= number);
            below.map(|(name, _)| *name)
        }
        _ => None,
    }
}

/// The level of OTLP's `severityNumber`, which has four of each (Logs Data Model, "Field: `SeverityNumber`").
pub fn numbered_by_otlp(number: i64) -> Option<&'static str> {
    match number {
        1..=4 => Some("TRACE"),
        5..=8 => Some("DEBUG"),
        9..=12 => Some("INFO"),
        13..=16 => Some("WARNING"),
        17..=20 => Some("ERROR"),
        21..=24 => Some("CRITICAL"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_one_name_whatever_they_are_called() {
        for (name, own) in [
            ("info", Some("INFO")),
            ("Warn", Some("WARNING")),
            ("WARNING", Some("WARNING")),
            ("err", Some("ERROR")),
            ("crit", Some("CRITICAL")),
            ("fatal", Some("CRITICAL")),
            ("emerg", Some("PANIC")),
            ("AUDIT", None),
            ("", None),
        ] {
            assert_eq!(named(name), own, "{name}");
        }
        assert!(ALIASES.iter().all(|(_, own)| severity(own).is_some()));
    }

    #[test]
    fn they_stand_in_the_order_of_their_severity() {
        assert!(LEVELS.is_sorted_by_key(|(_, severity)| *severity));
        assert_eq!(severity("err"), Some(40));
        assert_eq!(severity("AUDIT"), None);
    }

    #[test]
    fn numbers_are_those_of_syslog_and_of_python() {
        let syslog: Vec<_> = (0..8).filter_map(numbered).filter_map(severity).collect();
        assert_eq!(syslog, [70, 60, 50, 40, 30, 25, 20, 10]);
        for (number, own) in [
            (10, Some("DEBUG")),
            (20, Some("INFO")),
            (25, Some("NOTICE")),
            (35, Some("WARNING")),
            (50, Some("CRITICAL")),
            (70, Some("PANIC")),
            (71, None),
            (8, None),
            (-1, None),
        ] {
            assert_eq!(numbered(number), own, "{number}");
        }
    }

    #[test]
    fn otlp_has_four_of_each() {
        let all: Vec<_> = (0..26).map(numbered_by_otlp).collect();
        assert_eq!((all[0], all[25]), (None, None));
        assert!(
            all[1..25]
                .chunks(4)
                .all(|four| four.iter().all(|each| *each == four[0]))
        );
        assert_eq!((all[9], all[17]), (Some("INFO"), Some("ERROR")));
    }
}
