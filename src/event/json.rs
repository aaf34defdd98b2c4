//! Parses JSON that `serde_json` refuses although it keeps to the grammar: half of a surrogate pair, a number that no
//! `f64` holds, a deep nesting. In a field that nobody reads these must not be able to keep a compromised key alive.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// `serde_json` goes 127 levels deep: <https://docs.rs/serde_json/latest/serde_json/struct.Deserializer.html>. No event
/// of AWS's comes near.
const DEEPEST: usize = 100;

/// What a text holds.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub value: Value,
    /// Whether it holds so many objects that some count as absent: what they say is not known.
    pub is_cut: bool,
}

/// `None` when it is not JSON.
pub(super) fn parse(text: &str) -> Option<Parsed> {
    tree(text).or_else(|| keeps_to_the_grammar(text).then(|| mended(text)).and_then(|text| tree(&text)))
}

/// How many objects with something in them a tree may hold: each takes more than half a kilobyte, however small it is. No
/// event of EventBridge's (256 KiB) can hold as many.
const OBJECTS: usize = 60_000;

fn tree(text: &str) -> Option<Parsed> {
    let (left, is_cut) = (Cell::new(OBJECTS), Cell::new(false));
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Tree { left: &left, is_cut: &is_cut }.deserialize(&mut json).ok()?;
    json.end().ok().map(|()| Parsed { value, is_cut: is_cut.get() })
}

/// Builds a `Value` as `serde_json` does, but of so many objects at most.
#[derive(Clone, Copy)]
struct Tree<'c> {
    left: &'c Cell<usize>,
    is_cut: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let Some(mut name) = fields.next_key::<String>()? else { return Ok(Value::Object(object)) };
        if self.left.get() == 0 {
            self.is_cut.set(true);
            fields.next_value::<IgnoredAny>()?;
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        self.left.set(self.left.get() - 1);
        loop {
            object.insert(name, fields.next_value_seed(self)?);
            match fields.next_key()? {
                Some(next) => name = next,
                None => return Ok(Value::Object(object)),
            }
        }
    }
}

/// The elements of a list, each as it stands there.
pub(super) fn elements(text: &str) -> Option<Vec<&RawValue>> {
    let is_list = text.trim_ascii_start().starts_with('[');
    is_list.then(|| serde_json::from_str(text).ok()).flatten()
}

/// The list of records in what Lambda is given by a queue or a topic.
pub(super) fn records(text: &str) -> Option<&str> {
    // Most events have no such field at all.
    let text = text.contains("\"Records\"").then_some(text)?;
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let is_alone = fields.len() == 1;
    fields.get("Records").filter(|_| is_alone).map(|records| records.get()).filter(|records| records.starts_with('['))
}

/// What is skipped is not held against the limits of a value, nor does it take a stack.
fn keeps_to_the_grammar(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The text with `null` for what is too deep or too large, so that it counts as absent where it is needed after all, and
/// the replacement character for half of a pair. `json` has to keep to the grammar.
fn mended(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut depth = 0;
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest));
        rest = after;
        depth += usize::from(matches!(first, '[' | '{'));
        match first {
            '[' | '{' if depth == DEEPEST + 1 => mended.push_str("null"),
            _ if depth > DEEPEST => {}
            '"' => push_text(token, &mut mended),
            '-' | '0'..='9' if serde_json::from_str::<Value>(token).is_err() => mended.push_str("null"),
            _ => mended.push_str(token),
        }
        depth -= usize::from(matches!(first, ']' | '}'));
    }
    mended
}

/// The length of the text, the number or the single character that stands first.
fn token_length(json: &str) -> usize {
    let bytes = json.as_bytes();
    match bytes[0] {
        b'"' => text_length(bytes),
        b'-' | b'0'..=b'9' => {
            let of_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
            bytes.iter().position(|byte| !of_number(byte)).unwrap_or(bytes.len())
        }
        _ => json.chars().next().map_or(1, char::len_utf8),
    }
}

/// Up to the quotation mark that closes it.
fn text_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn push_text(text: &str, mended: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let (kept, length) = match (code_unit(escape), escape.get(6..).and_then(code_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&escape[..12], 12),
            (Some(0xd800..=0xdfff), _) => ("\u{fffd}", 6),
            (Some(_), _) => (&escape[..6], 6),
            (None, _) => (&escape[..2], 2),
        };
        mended.push_str(kept);
        rest = &escape[length..];
    }
    mended.push_str(rest);
}

/// The code unit of an escape such as `\ud83d`.
fn code_unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Option<Value> {
        super::parse(text).map(|parsed| parsed.value)
    }

    #[test]
    fn what_is_cut_off_is_known_to_be() {
        let objects = |count: usize, object: &str| format!("[{}1]", format!("{object},").repeat(count));
        for (text, expected) in [
            (objects(OBJECTS, r#"{"":1}"#), false),
            (objects(OBJECTS + 1, r#"{"":1}"#), true),
            // They take no space.
            (objects(OBJECTS * 3, "{}"), false),
            (objects(256 * 1_024 / 7, r#"{"":1}"#), false),
        ] {
            assert_eq!(super::parse(&text).map(|parsed| parsed.is_cut), Some(expected), "{} bytes", text.len());
        }
    }

    #[test]
    fn what_a_value_cannot_hold_is_mended_and_the_rest_stays() {
        for (text, expected) in [
            (r#"{"a": "x\ud800y", "b": 1}"#, json!({"a": "x\u{fffd}y", "b": 1})),
            (r#"["\ud800"]"#, json!(["\u{fffd}"])),
            (r#"["\udc00\ud800"]"#, json!(["\u{fffd}\u{fffd}"])),
            (r#"["\ud800A\n\\\""]"#, json!(["\u{fffd}A\n\\\""])),
            (r#"["\ud800\ud83d\ude00 \u00e9é😀"]"#, json!(["\u{fffd}😀 éé😀"])),
            (r#"["\ud800", "\\ud800"]"#, json!(["\u{fffd}", "\\ud800"])),
            (r#"{"\ud800": 1, "k": 2}"#, json!({"\u{fffd}": 1, "k": 2})),
            (r"[1e999, -1e999, 1, -2.5e1, 1e-999]", json!([null, null, 1, -25.0, 0.0])),
            ("1e999", json!(null)),
            (r#"{"text": "1e999", "number": 1e999}"#, json!({"text": "1e999", "number": null})),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_is_cut_off_and_what_stands_beside_it_stays() {
        for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
            for deep in [10, 200, 200_000] {
                let text = format!(r#"{{"deep": {}"]}}[{{"{}, "key": 1}}"#, open.repeat(deep), close.repeat(deep));
                assert_eq!(parse(&text).expect("JSON")["key"], json!(1), "{deep}");
            }
        }
    }

    #[test]
    fn what_is_not_json_stays_so() {
        for text in
            ["", "{", "1e", "[1e999", "\"\\ud8\"", "[1e999,]", "\\ud800", "\"\\ud800", "{\"a\": \"\\x\"}", "1e999 2"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_of_any_length_is_read_in_linear_time() {
        let text = format!("[{}]", "9".repeat(1_000_000));
        assert_eq!(parse(&text), Some(json!([null])));
        let text = format!("[{}1e999]", r#""\ud800","#.repeat(200_000));
        assert_eq!(parse(&text).and_then(|value| value.as_array().map(Vec::len)), Some(200_001));
    }
}
