//! What is invalidated together: RFC 9875's groups and the tags that other caches know.
//!
//! `Cache-Groups` belong to an origin, and an origin may invalidate only its own; the operator may purge any. So a group is two
//! tags: its name alone, which purging finds, and its name with the origin's, which `Cache-Group-Invalidation` finds.

use super::{
    key,
    structured::{self, Item},
};
use crate::http::fields::{Fields, elements};

/// The most tags that one response may have; more would be a burden to all others. RFC 9875 asks for 32, Fastly allows 64 or more.
pub const MOST: usize = 128;

/// Fields that speak to this cache alone, by the practice of those who made them up, and are not passed on.
pub fn is_spoken_to_us(name: &[u8]) -> bool {
    match name.len() {
        9 => name.eq_ignore_ascii_case(b"cache-tag"),
        10 => name.eq_ignore_ascii_case(b"cache-tags"),
        13 => name.eq_ignore_ascii_case(b"surrogate-key"),
        _ => false,
    }
}

/// The tags of a response to a request for `primary`.
pub fn tags(primary: &[u8], fields: &Fields) -> Vec<Vec<u8>> {
    let mut tags = Vec::new();
    for group in groups(fields, b"cache-groups") {
        tags.push(within(primary, &group));
        tags.push(group);
    }
    for field in fields.iter().filter(|field| is_spoken_to_us(field.name)) {
        match field.name.len() {
            13 => tags.extend(
                field
                    .value
                    .split(u8::is_ascii_whitespace)
                    .filter(|tag| !tag.is_empty())
                    .map(<[u8]>::to_vec),
            ),
            _ => tags.extend(elements(field.value).map(<[u8]>::to_vec)),
        }
    }
    tags.sort();
    tags.dedup();
    tags.truncate(MOST);
    tags
}

/// The tags that a response to an unsafe request for `primary` invalidates (RFC 9875, 3).
pub fn invalidated(primary: &[u8], fields: &Fields) -> Vec<Vec<u8>> {
    let groups = groups(fields, b"cache-group-invalidation");
    groups.map(|group| within(primary, &group)).take(MOST).collect()
}

/// The strings of a list; anything else in it, or parameters, means nothing (RFC 9875, 2).
fn groups(fields: &Fields, name: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let items = structured::list(fields.get_all(name)).unwrap_or_default();
    items.into_iter().filter_map(|item| match item {
        Item::Text(group) => Some(group.into_bytes()),
        _ => None,
    })
}

/// A group within its origin. No tag that a field can hold looks like it.
fn within(primary: &[u8], group: &[u8]) -> Vec<u8> {
    [b"\0g", key::origin(primary), b" ", group].concat()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    const AT: &[u8] = b"https://a.example/x";

    fn names(tags: &[Vec<u8>]) -> Vec<String> {
        let own = tags.iter().filter(|tag| !tag.starts_with(b"\0"));
        own.map(|tag| String::from_utf8(tag.clone()).unwrap()).collect()
    }

    #[test]
    fn rfc9875_2_groups_and_tags_are_collected() {
        let fields = fields(&[
            ("Cache-Groups", "\"posts\", \"a b\";p=1, token, 3"),
            ("Surrogate-Key", "one  two"),
            ("Cache-Tag", "three, two"),
            ("Cache-Tags", "four five"),
        ]);
        assert_eq!(
            names(&tags(AT, &fields)),
            ["a b", "four five", "one", "posts", "three", "two"]
        );
    }

    #[test]
    fn rfc9875_3_an_origin_invalidates_only_its_own() {
        let said = fields(&[("Cache-Group-Invalidation", "\"posts\"")]);
        let kept = |at: &[u8]| tags(at, &fields(&[("Cache-Groups", "\"posts\"")]));
        let [tag] = &invalidated(AT, &said)[..] else {
            panic!("one tag")
        };
        assert!(kept(b"https://a.example/other").contains(tag));
        assert!(!kept(b"https://b.example/x").contains(tag));
        assert!(!kept(b"http://a.example/x").contains(tag));
    }

    #[test]
    fn rfc9875_2_at_least_32_groups_count_and_unreadable_ones_none() {
        let many: Vec<_> = (0..32).map(|number| format!("\"{number:032}\"")).collect();
        assert_eq!(
            names(&tags(AT, &fields(&[("Cache-Groups", &many.join(", "))]))).len(),
            32
        );
        assert!(tags(AT, &fields(&[("Cache-Groups", "\"posts")])).is_empty());
    }

    #[test]
    fn surrogate_keys_are_for_us_and_groups_for_all() {
        for (name, ours) in [
            ("Surrogate-Key", true),
            ("cache-tag", true),
            ("Cache-Tags", true),
            ("Cache-Groups", false),
        ] {
            assert_eq!(is_spoken_to_us(name.as_bytes()), ours, "{name}");
        }
    }
}
