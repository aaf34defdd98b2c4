//! Reads fields of an event by their path.
//!
//! A field that is missing or of another type counts as absent: what nobody needs must not be able to keep a
//! compromised key alive.

use serde_json::Value;

/// A place in an event, at which there may be nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'v>(Option<&'v Value>);

impl<'v> Fields<'v> {
    pub(super) fn of(value: &'v Value) -> Self {
        Self(Some(value))
    }

    /// The place at a path such as `resource.accessKeyDetails`.
    pub(super) fn at(self, path: &str) -> Self {
        path.split('.').fold(self, |fields, name| Self(fields.field(name)))
    }

    /// The field of this very name, which may hold dots. The API, the CLI and the console export GuardDuty's findings
    /// in `PascalCase`, and people send such exports.
    pub(super) fn field(self, name: &str) -> Option<&'v Value> {
        let object = self.0?.as_object()?;
        object.get(name).or_else(|| object.get(&pascal_case(name)))
    }

    /// Every field with its name.
    pub(super) fn all(self) -> impl Iterator<Item = (&'v String, &'v Value)> {
        self.0.and_then(Value::as_object).into_iter().flatten()
    }

    /// Whatever stands at a path.
    pub(super) fn value(self, path: &str) -> Option<&'v Value> {
        self.at(path).0
    }

    pub(super) fn text(self, path: &str) -> Option<&'v str> {
        self.at(path).0?.as_str()
    }

    pub(super) fn number(self, path: &str) -> Option<f64> {
        self.at(path).0?.as_f64()
    }

    pub(super) fn whole_number(self, path: &str) -> Option<u64> {
        self.at(path).0?.as_u64()
    }

    pub(super) fn is_true(self, path: &str) -> bool {
        self.at(path).0.is_some_and(is_true)
    }

    pub(super) fn object(self, path: &str) -> Option<Self> {
        self.at(path).0.filter(|value| value.is_object()).map(Self::of)
    }

    /// The objects in an array; other elements are skipped.
    pub(super) fn objects(self, path: &str) -> impl Iterator<Item = Self> {
        self.list(path).filter(|value| value.is_object()).map(Self::of)
    }

    /// Whether something stands at a path that does not fit. Nothing does.
    pub(super) fn is_misfit(self, path: &str, fits: impl Fn(&Value) -> bool) -> bool {
        self.value(path).is_some_and(|value| !value.is_null() && !fits(value))
    }

    /// The texts in an array.
    pub(super) fn texts(self, path: &str) -> impl Iterator<Item = &'v str> {
        self.list(path).filter_map(Value::as_str)
    }

    fn list(self, path: &str) -> impl Iterator<Item = &'v Value> {
        self.at(path).0.and_then(Value::as_array).into_iter().flatten()
    }
}

/// Some sources write their flags as text.
pub(super) fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value.as_str() == Some("true")
}

fn pascal_case(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_a_field_in_either_case_and_a_name_may_hold_dots() {
        let event = json!({"a": {"b": "camel"}, "C": {"D": "pascal"}, "e.f/g": "dotted"});
        let event = Fields::of(&event);
        assert_eq!(event.text("a.b"), Some("camel"));
        assert_eq!(event.text("c.d"), Some("pascal"));
        assert_eq!(event.text("e.f/g"), None);
        assert_eq!(event.field("e.f/g"), Some(&json!("dotted")));
    }

    #[test]
    fn a_field_of_another_type_counts_as_absent() {
        for value in [json!(null), json!(-0.5), json!("8"), json!(false), json!(["", {}, 1]), json!({"x": 1})] {
            let event = json!({"field": value});
            let event = Fields::of(&event);
            assert_eq!(event.text("field").is_some(), value.is_string(), "{value}");
            assert_eq!(event.number("field").is_some(), value.is_number(), "{value}");
            assert_eq!(event.whole_number("field"), None, "{value}");
            assert!(!event.is_true("field"), "{value}");
            assert_eq!(event.object("field").is_some(), value.is_object(), "{value}");
            let is_misfit = !value.is_null() && !value.is_object();
            assert_eq!(event.is_misfit("field", Value::is_object), is_misfit, "{value}");
            assert_eq!(event.objects("field").count(), usize::from(value.is_array()), "{value}");
            assert_eq!(event.texts("field").count(), usize::from(value.is_array()), "{value}");
            assert_eq!(event.text("field.x.y"), None, "{value}");
        }
        for value in [json!(true), json!("true")] {
            assert!(Fields::of(&json!({"field": value})).is_true("field"), "{value}");
        }
    }
}
