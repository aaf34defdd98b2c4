//! Where the credential of an event is. What stands in the place of an account and is none is not the same as nothing:
//! the credential may then be anywhere, so the account of the envelope must not be taken for its own.

use serde_json::Value;

use super::Event;
use super::claim::Claim;
use crate::credential::NamedAccounts;
use crate::names::{AccessKeyId, AccountId, ForeignText};

/// The accounts that an event gives in its own places. The envelope's counts where nothing stands there: in an
/// organization it is that of the bus.
pub(super) fn of_event(own: &[Option<&Value>], event: &Event) -> NamedAccounts {
    or_the_envelopes(in_places(own), event)
}

/// The same for a claim, whose key and user may be ARNs. A key's ARN is as good as any other place; a user's stands in
/// only where the event has no other, since IAM alone knows whose key it is.
pub(super) fn of_claim(own: &[Option<&Value>], claim: &Claim<'_>, event: &Event) -> NamedAccounts {
    let in_arn = |text: Option<&str>| NamedAccounts::of(text.and_then(of_arn));
    let named = in_places(own).and(in_arn(claim.key));
    or_the_envelopes(if named.is_empty() { in_arn(claim.user) } else { named }, event)
}

fn or_the_envelopes(named: NamedAccounts, event: &Event) -> NamedAccounts {
    if named.is_empty() { in_places(&[event.account.as_ref()]) } else { named }
}

/// Every account in some places, the likeliest first: an event does not always tell whose account it gives.
pub(super) fn in_places(places: &[Option<&Value>]) -> NamedAccounts {
    let standing = places.iter().copied().flatten().filter(|value| stands(value));
    let named = standing.map(|value| match read(value) {
        Some(account) => NamedAccounts::of([account]),
        None => NamedAccounts::of_unreadable(text(value)),
    });
    named.fold(NamedAccounts::default(), NamedAccounts::and)
}

/// A resource's identifier, if it tells the account.
pub(super) fn in_arn(identifier: Option<&Value>) -> Option<&Value> {
    identifier.filter(|text| text.as_str().and_then(of_arn).is_some())
}

/// The account of an ARN that is IAM's or STS's.
fn of_arn(text: &str) -> Option<AccountId> {
    let text = text.trim();
    let is_principals = matches!(text.split(':').nth(2), Some("iam" | "sts"));
    AccountId::read(text).filter(|_| text.starts_with("arn:") && is_principals)
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
        let readable = named.readable().iter().map(ToString::to_string);
        let all = readable.chain(named.unreadable().map(|text| format!("[{text}]")));
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_envelopes_account_counts_only_where_nothing_stands_in_the_events_own_places() {
        for (own, envelope, expected) in [
            (json!([OTHER, OWN]), json!(OWN), "111122223333 123456789012"),
            (json!([OTHER, OTHER]), json!(OWN), OTHER),
            (json!([null, "", " ", OTHER]), json!(OWN), OTHER),
            (json!(["1234567890", OTHER]), json!(OWN), "111122223333 [1234567890]"),
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
    fn where_a_credential_was_used_counts_after_its_account() {
        let at = |value: &Value| in_places(&[Some(value)]);
        for (first, second, expected) in [
            (json!(OWN), json!(OWN), OWN),
            (json!(OWN), json!(OTHER), "123456789012 111122223333"),
            (json!(OWN), json!(null), OWN),
            (json!(null), json!(OTHER), OTHER),
            (json!("x"), json!(OTHER), "111122223333 [x]"),
            (json!(OWN), json!("x"), "123456789012 [x]"),
            (json!("x"), json!("y"), "[x]"),
            (json!("x"), json!(null), "[x]"),
            (json!(null), json!("y"), "[y]"),
            (json!(null), json!(null), ""),
        ] {
            assert_eq!(shown(&at(&first).or_where_it_was_used(at(&second))), expected, "{first} {second}");
        }
    }

    #[test]
    fn an_arn_of_the_key_names_an_account_and_one_of_the_user_where_nothing_else_does() {
        let key = |account: &str| format!("arn:aws:iam::{account}:access-key/AKIAIOSFODNN7EXAMPLE");
        let user = |account: &str| format!("arn:aws:iam::{account}:user/Bob");
        for (own, key, user, expected) in [
            (json!(OWN), key(OTHER), "Bob".to_owned(), "123456789012 111122223333"),
            (json!(OWN), "AKIAIOSFODNN7EXAMPLE".to_owned(), user(OTHER), OWN),
            (json!(null), key(OTHER), user(OWN), OTHER),
            (json!(null), "AKIAIOSFODNN7EXAMPLE".to_owned(), user(OTHER), OTHER),
            (json!(null), "AKIAIOSFODNN7EXAMPLE".to_owned(), format!("arn:aws:iam::{OTHER}:root"), OTHER),
            (json!(null), key(""), user(""), OWN),
            (json!(null), "arn:aws:s3:::bucket".to_owned(), "Bob".to_owned(), OWN),
        ] {
            let event = Event { account: Some(json!(OWN)), ..Event::default() };
            let claim = Claim { key: Some(&key), user: Some(&user), ..Claim::default() };
            assert_eq!(shown(&of_claim(&[Some(&own)], &claim, &event)), expected, "{own} {key} {user}");
        }
    }
}
