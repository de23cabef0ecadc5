//! The parameters that a request's target asks with (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

/// A parameter's name and value.
type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Names and values of a target's query, decoded: any bytes. Where a `%` means nothing: why, in words.
///
/// ```
/// # use headrace_core::service::pairs;
/// let read: Vec<_> = pairs(b"/?key=a%2Fb&soft").collect::<Result<_, _>>().unwrap();
/// assert_eq!(read, [(b"key".into(), b"a/b".into()), (b"soft".into(), b"".into())]);
/// ```
pub fn pairs(target: &[u8]) -> impl Iterator<Item = Result<Pair<'_>, &'static str>> {
    let query = target.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
    let parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let equals = memchr::memchr(b'=', part).unwrap_or(part.len());
        let value = part.get(equals + 1..).unwrap_or_default();
        Ok((decode(part.get(..equals).unwrap_or_default())?, decode(value)?))
    })
}

/// Takes percent signs and pluses away.
pub fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    let Some(first) = memchr::memchr2(b'%', b'+', text) else {
        return Ok(Cow::Borrowed(text));
    };
    let (plain, mut rest) = text.split_at(first);
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend_from_slice(plain);
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = after.split_at_checked(2).ok_or(ODD)?;
                rest = after;
                hexadecimal(digits).ok_or(ODD)?
            }
            other => other,
        });
    }
    Ok(Cow::Owned(bytes))
}

const ODD: &str = "a % in the query is not followed by two hexadecimal digits";

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    digits
        .iter()
        .try_fold(0, |byte, next| Some(byte << 4 | digit(next)? as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_comes_back() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("plain", b"plain"),
            ("a+b%20c", b"a b c"),
            ("%00%ff%C3%bc", b"\0\xff\xc3\xbc"),
            ("%2B", b"+"),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(bytes), "{text}");
        }
        for text in ["%", "a%2", "%zz", "%+1", "%-1"] {
            assert_eq!(decode(text.as_bytes()), Err(ODD), "{text}");
        }
    }
}
