//! A response's fields, from the server's lines to HTTP/2's list.
//!
//! They were parsed strictly, so each of them has a place in HTTP/2 too. Should one not, the response is broken as a
//! whole: leaving the field out could leave out what keeps the page from being cached or framed.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::http::{
    exchange::ReplyBody,
    fields::{Field, Fields, Known},
    head::write_decimal,
    reply::is_date,
};

/// Room for the values of a usual head.
const VALUES: usize = 512;
const NAMES: usize = 8;

/// A response's head; `None` if it cannot be said in HTTP/2.
pub(super) fn head<'f>(
    status: u16,
    fields: impl Iterator<Item = Field<'f>>,
    body: ReplyBody,
    date: impl FnOnce() -> HeaderValue,
) -> Option<Response<()>> {
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::from_u16(status).ok()?;
    let map = head.headers_mut();
    let mut values = BytesMut::with_capacity(VALUES);
    let dated = append(map, &mut values, fields)?;
    if !dated {
        map.insert(header::DATE, date());
    }
    match body {
        ReplyBody::Empty(Some(length)) | ReplyBody::Length(length) => {
            write_decimal(&mut values, length);
            let value = HeaderValue::from_maybe_shared(values.freeze()).ok()?;
            map.insert(header::CONTENT_LENGTH, value);
        }
        ReplyBody::Empty(None) | ReplyBody::Streamed => {}
        ReplyBody::Tunnel => return None,
    }
    Some(head)
}

/// An interim response's head.
pub(super) fn interim<'f>(status: u16, fields: impl Iterator<Item = Field<'f>>) -> Option<Response<()>> {
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::from_u16(status).ok()?;
    append(head.headers_mut(), &mut BytesMut::new(), fields)?;
    Some(head)
}

pub(super) fn trailers(fields: &Fields) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    let fields = fields.iter().filter(|field| field.known.may_trail());
    append(&mut map, &mut BytesMut::new(), fields)?;
    Some(map)
}

/// Adds `fields`, and says whether a `Date` was among them. The values share the allocation of `values`.
fn append<'f>(map: &mut HeaderMap, values: &mut BytesMut, mut fields: impl Iterator<Item = Field<'f>>) -> Option<bool> {
    map.reserve(NAMES);
    let mut dated = false;
    fields.try_for_each(|field| {
        dated |= is_date(&field);
        values.extend_from_slice(field.value);
        let value = values.split().freeze();
        map.try_append(name(&field)?, HeaderValue::from_maybe_shared(value).ok()?)
            .ok()
            .map(|_| ())
    })?;
    Some(dated)
}

/// The name in lower case, as HTTP/2 wants it.
fn name(field: &Field<'_>) -> Option<HeaderName> {
    Some(match field.known {
        Known::ContentType => header::CONTENT_TYPE,
        Known::Date => header::DATE,
        Known::Server => header::SERVER,
        Known::CacheControl => header::CACHE_CONTROL,
        Known::SetCookie => header::SET_COOKIE,
        Known::Vary => header::VARY,
        _ => HeaderName::from_bytes(field.name).ok()?,
    })
}

/// The current date as a value.
pub(super) fn date_value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date() -> HeaderValue {
        date_value(b"Sun, 06 Nov 1994 08:49:37 GMT")
    }

    fn made(status: u16, fields: &[(&str, &str)], body: ReplyBody) -> Option<Response<()>> {
        let fields = fields
            .iter()
            .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        head(status, fields, body, date)
    }

    #[test]
    fn names_are_lowered_and_values_kept() {
        let fields = [("X-Mill", "Wheel "), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")];
        let head = made(200, &fields, ReplyBody::Length(12)).unwrap();
        assert_eq!(head.headers()["x-mill"], "Wheel ");
        assert_eq!(head.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(head.headers()["content-length"], "12");
        assert_eq!(head.headers()["date"], date());
    }

    #[test]
    fn the_servers_date_stays() {
        let head = made(204, &[("Date", "then")], ReplyBody::Empty(None)).unwrap();
        assert_eq!(head.headers().get_all("date").iter().collect::<Vec<_>>(), ["then"]);
        assert!(!head.headers().contains_key("content-length"));
    }

    #[test]
    fn what_cannot_be_said_is_none() {
        assert!(made(99, &[], ReplyBody::Streamed).is_none());
        assert!(made(200, &[("a b", "")], ReplyBody::Streamed).is_none());
        assert!(made(200, &[("a", "b\r\nc")], ReplyBody::Streamed).is_none());
        assert!(made(101, &[], ReplyBody::Tunnel).is_none());
        let many: Vec<_> = (0..40_000).map(|n| format!("x{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert!(made(200, &many, ReplyBody::Streamed).is_none());
    }
}
