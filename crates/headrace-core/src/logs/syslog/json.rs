//! Fields as they are written: members of a JSON object, on one line.

/// Adds a member whose value is a text.
pub(super) fn push_text(fields: &mut String, name: &str, value: &str) {
    // Quotes, a colon, a comma, and the braces that are still to come.
    fields.reserve(name.len() + value.len() + 8);
    begin(fields, name);
    push_quoted(fields, value);
}

/// Adds the name of a member, whose value follows.
pub(super) fn begin(fields: &mut String, name: &str) {
    if !(fields.is_empty() || fields.ends_with('{')) {
        fields.push(',');
    }
    push_quoted(fields, name);
    fields.push(':');
}

fn push_quoted(into: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        into.push_str(&serde_json::Value::from(text).to_string());
    } else {
        into.push('"');
        into.push_str(text);
        into.push('"');
    }
}
