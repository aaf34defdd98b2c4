//! Whatever an event holds: nothing panics, and no key is acted on but the one that the event names.

mod common;

use common::decided::{Decided, decided};
use common::ids::{KEY, OTHER_KEY, OWN};
use common::samples::{CUSTOM_SOURCES, of_one_key};
use common::{event, replaced};
use key_remediator::event::read;
use key_remediator::finding::Finding;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        select(&[OTHER_KEY, "aws:sqs", "aws:sns", "Notification", "null", ""][..]).prop_map(Value::from),
    ];
    let names = prop_oneof![
            "[a-z]{1,6}",
            select(
                &[
                    "source",
                    "detail-type",
                    "detail",
                    "Records",
                    "eventSource",
                    "body",
                    "findings",
                    "resource",
                    "service"
                ][..]
            )
            .prop_map(str::to_owned),
        ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(names.clone(), inner, 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// An event of a known source with anything in its detail.
fn any_event() -> impl Strategy<Value = Value> {
    (select(of_one_key()), any_json()).prop_map(|(name, detail)| {
        let mut event = event(name);
        if event.get("detail").is_some() {
            event["detail"] = detail;
        }
        event
    })
}

/// What is to be done about the findings that are acted on.
fn plans(input: &Value) -> Vec<Decided> {
    let plans: Vec<_> = decided(input, CUSTOM_SOURCES).into_iter().filter(|decided| decided.acts).collect();
    assert!(plans.iter().all(|plan| plan.what == "Deactivate"), "{plans:?}");
    plans
}

fn readable(input: &Value) -> Vec<Finding> {
    read(&input.to_string()).into_iter().filter_map(|item| item.content.ok()).collect()
}

/// The pointers of every field and element below a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{at}/{name}");
        found.push(pointer.clone());
        pointers(value, &pointer, found);
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(values) => values.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value)),
        _ => {}
    }
}

fn remove(event: &mut Value, pointer: &str) {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let field = field.replace("~1", "/").replace("~0", "~");
    if let Some(object) = event.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.remove(&field);
    }
}

/// What can become of a field.
#[derive(Clone, Debug)]
enum Change {
    Missing,
    Other(Value),
}

fn any_change() -> impl Strategy<Value = Change> {
    let other_type = prop_oneof![
        Just(json!(null)),
        Just(json!(7)),
        Just(json!(true)),
        Just(json!("other")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}])),
    ];
    prop_oneof![Just(Change::Missing), other_type.prop_map(Change::Other)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_json_value_panics(input in prop_oneof![any_json(), any_event()]) {
        plans(&input);
    }

    #[test]
    fn only_the_key_that_was_put_in_is_acted_on_whatever_fields_are_missing_or_of_another_type(
        name in select(of_one_key()),
        key in "AKIA[A-W2-7]{16}",
        user in "[a-zA-Z][a-zA-Z0-9+=,.@_-]{0,30}",
        changes in vec((any::<Index>(), any_change()), 0..8),
    ) {
        let mut event = replaced(&event(name), &[(KEY, &key), ("Bob", &user)]);
        let untouched = plans(&event);
        prop_assert!(untouched.len() == 1 && untouched[0].key.as_ref() == Some(&key), "{name}: {untouched:?}");
        for (index, change) in changes {
            let mut all = Vec::new();
            pointers(&event, "", &mut all);
            let Some(pointer) = (!all.is_empty()).then(|| index.get(&all)) else { break };
            match change {
                Change::Missing => remove(&mut event, pointer),
                Change::Other(value) => *event.pointer_mut(pointer).expect("it is there") = value,
            }
        }
        for plan in plans(&event) {
            prop_assert_eq!(plan.key.as_ref(), Some(&key));
            // Without an account of its own a finding is about that of the function.
            prop_assert!(plan.account.is_none_or(|account| account == OWN));
            prop_assert!(plan.user.is_none_or(|named| named == user || named == "other"));
        }
    }

    #[test]
    fn unknown_fields_change_nothing(
        name in select(of_one_key()),
        fields in vec((any::<Index>(), "unknown[A-Za-z]{0,8}", any_json()), 1..6),
    ) {
        let original = event(name);
        let mut event = original.clone();
        for (index, field, value) in fields {
            let mut all = vec![String::new()];
            pointers(&event, "", &mut all);
            all.retain(|pointer| event.pointer(pointer).is_some_and(Value::is_object));
            if all.is_empty() { break }
            let pointer: &String = index.get(&all);
            event.pointer_mut(pointer).expect("it is there")[field] = value;
        }
        prop_assert_eq!(readable(&event), readable(&original));
    }
}
