//! What the function answers.

use serde_json::Value;

/// The results, in order.
#[track_caller]
pub fn results(answer: &Value) -> &[Value] {
    answer["results"].as_array().unwrap_or_else(|| panic!("no results in {answer:#}"))
}

/// The one result.
#[track_caller]
pub fn result(answer: &Value) -> &Value {
    let [result] = results(answer) else { panic!("not one result in {answer:#}") };
    result
}

/// The outcomes of all results, in order.
#[track_caller]
pub fn outcomes(answer: &Value) -> Vec<&str> {
    results(answer).iter().map(outcome_of).collect()
}

/// The outcome of the one result.
#[track_caller]
pub fn outcome(answer: &Value) -> &str {
    outcome_of(result(answer))
}

#[track_caller]
fn outcome_of(result: &Value) -> &str {
    result["outcome"].as_str().unwrap_or_else(|| panic!("no outcome in {result:#}"))
}

/// The invocation failed, with an error of this type whose message has these words.
#[track_caller]
pub fn assert_failed(answer: &Value, error_type: &str, words: &[&str]) {
    assert_eq!(answer["errorType"], error_type, "{answer:#}");
    let message = answer["errorMessage"].as_str().expect("a message");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}
