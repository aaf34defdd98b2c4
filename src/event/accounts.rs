//! Where the credential of an event is. What stands in the place of an account and is none is not the same as nothing:
//! the credential may then be anywhere, so the account of the envelope must not be taken for its own.

use serde_json::Value;

use super::Event;
use crate::credential::NamedAccounts;
use crate::names::{AccessKeyId, AccountId, ForeignText};

/// The account that an event gives in one of its own places. The envelope's counts where nothing stands there: in an
/// organization it is that of the bus.
pub(super) fn of_event(own: &[Option<&Value>], event: &Event) -> NamedAccounts {
    match in_places(own) {
        NamedAccounts::None => in_places(&[event.account.as_ref()]),
        named => named,
    }
}

/// The first of some places that holds an account which can be read.
pub(super) fn in_places(places: &[Option<&Value>]) -> NamedAccounts {
    let standing = || places.iter().copied().flatten().filter(|value| stands(value));
    match standing().find_map(read) {
        Some(account) => NamedAccounts::of([account]),
        None => standing().next().map_or(NamedAccounts::None, |value| NamedAccounts::Unreadable(text(value))),
    }
}

/// The accounts of two places that need not agree: an event does not always tell whose account it gives. What cannot
/// be read counts only where the other place tells nothing.
pub(super) fn both(likelier: NamedAccounts, other: NamedAccounts) -> NamedAccounts {
    let accounts = |named: &NamedAccounts| named.first().into_iter().chain(named.others()).cloned().collect::<Vec<_>>();
    match NamedAccounts::of([accounts(&likelier), accounts(&other)].concat()) {
        NamedAccounts::None if likelier == NamedAccounts::None => other,
        NamedAccounts::None => likelier,
        named => named,
    }
}

/// AWS Health is known to write a key's identifier where the account should be, which says nothing about the account:
/// <https://github.com/aws-samples/notify-and-remediate-exposed-access-key>.
fn stands(value: &Value) -> bool {
    match value.as_str().map(str::trim) {
        Some(text) => !text.is_empty() && AccessKeyId::from_event(text).is_none(),
        None => !value.is_null(),
    }
}

fn read(value: &Value) -> Option<AccountId> {
    match value {
        Value::String(text) => AccountId::read(text),
        Value::Number(number) => number.as_u64().and_then(AccountId::of_number),
        _ => None,
    }
}

fn text(value: &Value) -> ForeignText {
    value.as_str().map_or_else(|| ForeignText::new(&value.to_string()), ForeignText::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: &str = "123456789012";
    const OTHER: &str = "111122223333";

    /// The accounts in their order; what cannot be read in brackets.
    fn shown(named: &NamedAccounts) -> String {
        match named {
            NamedAccounts::Unreadable(text) => format!("[{text}]"),
            named => {
                let all = named.first().into_iter().chain(named.others());
                all.map(AccountId::as_str).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn the_envelopes_account_counts_only_where_nothing_stands_in_the_events_own_places() {
        for (own, envelope, expected) in [
            (json!([OTHER, OWN]), json!(OWN), OTHER),
            (json!([null, "", " ", OTHER]), json!(OWN), OTHER),
            (json!(["1234567890", OTHER]), json!(OWN), OTHER),
            (json!(["1111-2222-3333"]), json!(OWN), OTHER),
            (json!(["arn:aws:iam::111122223333:root"]), json!(OWN), OTHER),
            (json!([12]), json!(OWN), "000000000012"),
            (json!(["AKIAIOSFODNN7EXAMPLE"]), json!(OWN), OWN),
            (json!([null]), json!(OWN), OWN),
            (json!([null]), json!(123_456_789_012_u64), OWN),
            (json!([null]), json!("1234-5678-9012"), OWN),
            (json!([null]), json!(null), ""),
            (json!([null]), json!({}), "[{}]"),
            (json!([null]), json!("hub"), "[hub]"),
            (json!(["1234567890"]), json!(OWN), "[1234567890]"),
            (json!([1_234_567_890_123_u64]), json!(OWN), "[1234567890123]"),
            (json!([1.5]), json!(OWN), "[1.5]"),
            (json!([[OTHER]]), json!(OWN), "[[\"111122223333\"]]"),
            (json!([false]), json!(OWN), "[false]"),
        ] {
            let places: Vec<_> = own.as_array().expect("an array").iter().map(Some).collect();
            let event = Event { account: Some(envelope.clone()), ..Event::default() };
            assert_eq!(shown(&of_event(&places, &event)), expected, "{own} {envelope}");
        }
    }

    #[test]
    fn two_places_name_each_account_once_and_what_can_be_read_counts() {
        let at = |value: &Value| in_places(&[Some(value)]);
        for (first, second, expected) in [
            (json!(OWN), json!(OWN), OWN),
            (json!(OWN), json!(OTHER), "123456789012 111122223333"),
            (json!(OWN), json!(null), OWN),
            (json!(null), json!(OTHER), OTHER),
            (json!("x"), json!(OTHER), OTHER),
            (json!(OWN), json!("x"), OWN),
            (json!("x"), json!(null), "[x]"),
            (json!(null), json!("y"), "[y]"),
            (json!(null), json!(null), ""),
        ] {
            assert_eq!(shown(&both(at(&first), at(&second))), expected, "{first} {second}");
        }
    }
}
