//! Signatures of requests to S3, version 4 ("Signature Calculations for the Authorization Header", Amazon S3 API
//! Reference), in the form where the whole body's hash is part of what is signed.
//!
//! A key that belongs to the day, the region and the service signs all requests of that day; making it costs four
//! hashes, so it is kept.

use std::fmt::Write;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac::{self, HMAC_SHA256, Key},
};

use crate::calendar::Moment;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Whose requests, and to which region; one for each thread.
#[derive(Clone)]
pub(super) struct Signer {
    access_key: String,
    secret_key: String,
    region: String,
    /// Days since 1970 as they are written, and the key of that day.
    day: Option<(String, Key)>,
}

/// What is signed of a request.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As it is sent: each part percent-encoded once.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Names in lower case and in order, `host` and all `x-amz-` fields among them; values without spaces around them.
    pub(super) fields: &'a [(&'a str, &'a str)],
    /// The hash of the body, as `x-amz-content-sha256` says it.
    pub(super) body: &'a str,
    /// As `x-amz-date` says it.
    pub(super) time: &'a str,
}

impl Signer {
    pub(super) fn new(access_key: String, secret_key: String, region: String) -> Self {
        Self {
            access_key,
            secret_key,
            region,
            day: None,
        }
    }

    /// The value of the request's `Authorization`.
    pub(super) fn authorization(&mut self, request: &Signed<'_>) -> String {
        let names = names(request.fields);
        let date = request.time.get(..8).unwrap_or_default();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let hashed = hashed(canonical(request, &names).as_bytes());
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{hashed}", request.time);
        let signature = hexadecimal(hmac::sign(self.key(date), text.as_bytes()).as_ref());
        let access_key = &self.access_key;
        format!("{ALGORITHM} Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}")
    }

    fn key(&mut self, date: &str) -> &Key {
        let (secret_key, region) = (&self.secret_key, &self.region);
        let made = || {
            let first = Key::new(HMAC_SHA256, format!("AWS4{secret_key}").as_bytes());
            let then = |key: Key, part: &str| Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
            (
                date.to_owned(),
                [date, region, "s3", "aws4_request"].into_iter().fold(first, then),
            )
        };
        self.day.take_if(|(day, _)| day != date);
        &self.day.get_or_insert_with(made).1
    }
}

fn names(fields: &[(&str, &str)]) -> String {
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    names.join(";")
}

fn canonical(request: &Signed<'_>, names: &str) -> String {
    let mut text = String::with_capacity(512);
    for line in [request.method, request.path, request.query] {
        text.extend([line, "\n"]);
    }
    for (name, value) in request.fields {
        text.extend([name, ":", value, "\n"]);
    }
    text.extend(["\n", names, "\n", request.body]);
    text
}

/// A hash as `x-amz-content-sha256` has it.
pub(super) fn hashed(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

/// A time as `x-amz-date` has it: ISO 8601 in its short form. `time` is nanoseconds since 1970.
pub(super) fn stamp(time: i64) -> String {
    let Moment {
        year,
        month,
        day,
        hour,
        minute,
        second,
        ..
    } = Moment::of(time);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Percent-encoded but for letters, digits and `-._~`, and the slashes between parts.
pub(super) fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len() + 16);
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(byte.into()),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(number + if number < 10 { b'0' } else { b'a' - 10 });
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
    const TIME: (&str, &str) = ("x-amz-date", "20130524T000000Z");

    fn signer() -> Signer {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        Signer::new(
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret.to_owned(),
            "us-east-1".to_owned(),
        )
    }

    fn signature(method: &str, path: &str, query: &str, fields: &[(&str, &str)], body: &str) -> String {
        let (time, mut signer) = (TIME.1, signer());
        let request = Signed {
            method,
            path,
            query,
            fields,
            body,
            time,
        };
        let first = signer.authorization(&request);
        assert_eq!(signer.authorization(&request), first, "with the key that was kept");
        first
    }

    /// The examples of the Amazon S3 API Reference.
    #[test]
    fn the_published_examples_come_out() {
        let hash = ("x-amz-content-sha256", EMPTY);
        let get = signature(
            "GET",
            "/test.txt",
            "",
            &[HOST, ("range", "bytes=0-9"), hash, TIME],
            EMPTY,
        );
        assert_eq!(
            get,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let lifecycle = signature("GET", "/", "lifecycle=", &[HOST, hash, TIME], EMPTY);
        assert!(lifecycle.ends_with("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
        let list = signature("GET", "/", "max-keys=2&prefix=J", &[HOST, hash, TIME], EMPTY);
        assert!(list.ends_with("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
    }

    #[test]
    fn the_published_upload_comes_out() {
        let body = hashed(b"Welcome to Amazon S3.");
        let fields = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            HOST,
            ("x-amz-content-sha256", &body),
            TIME,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let put = signature("PUT", &encoded("/test$file.text"), "", &fields, &body);
        assert!(put.ends_with("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
    }

    #[test]
    fn another_day_has_another_key() {
        let mut signer = signer();
        let mut sign = |time| {
            let fields = [HOST, ("x-amz-content-sha256", EMPTY), ("x-amz-date", time)];
            signer.authorization(&Signed {
                method: "GET",
                path: "/",
                query: "",
                fields: &fields,
                body: EMPTY,
                time,
            })
        };
        let (first, next) = (sign("20130524T235959Z"), sign("20130525T000000Z"));
        assert_ne!(first, next);
        assert_eq!(sign("20130524T235959Z"), first);
    }

    #[test]
    fn times_are_short_and_keys_are_encoded_once() {
        assert_eq!(stamp(1_369_353_600_000_000_000), "20130524T000000Z");
        assert_eq!(
            encoded("/dt=2026-01-05/a b~é.json"),
            "/dt%3D2026-01-05/a%20b~%C3%A9.json"
        );
    }
}
