//! The truth table of `docs/calls.md`: which calls are made for which credential under which configuration. The table is
//! written anew with `UPDATE_DOCS=1 cargo test --test calls`.

mod common;

use std::fmt::Write;

use common::answers::outcome;
use common::event;
use common::fake_iam::FakeIam;
use common::ids::{KEY, MEMBER, OWN, ROLE_ID, USER_ID};
use serde_json::{Value, json};

/// One row of the table, but for exemption and dry run.
struct Row {
    user_type: &'static str,
    prefix: &'static str,
    /// The variable that decides about a principal of this type, and its value.
    measure: (&'static str, &'static str),
    account: &'static str,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for user_type in ["IAMUser", "Root", "AssumedRole", "FederatedUser"] {
        for prefix in ["AKIA", "ASIA"] {
            let (variable, values) = match user_type {
                "AssumedRole" => ("ROLE_SESSIONS", ["report", "deny", "revoke"]),
                _ => ("CONTAINMENT", ["key", "sessions", "principal"]),
            };
            for value in values {
                for account in ["own", "member"] {
                    rows.push(Row { user_type, prefix, measure: (variable, value), account });
                }
            }
        }
    }
    rows
}

impl Row {
    fn finding(&self) -> Value {
        let mut finding = event("guardduty-iam-user");
        let principal = match self.user_type {
            "AssumedRole" => format!("{ROLE_ID}:session"),
            "IAMUser" => USER_ID.to_owned(),
            _ => String::new(),
        };
        finding["detail"]["resource"]["accessKeyDetails"] = json!({
            "accessKeyId": KEY.replace("AKIA", self.prefix), "principalId": principal,
            "userType": self.user_type, "userName": "Bob",
        });
        if self.account == "member" {
            finding["detail"]["accountId"] = json!(MEMBER);
        }
        finding
    }

    /// The outcome and the calls, in order.
    async fn outcome(&self, exempt: bool, dry_run: bool) -> String {
        let iam = FakeIam::start().await;
        let account = if self.account == "own" { OWN } else { MEMBER };
        let owner = if self.user_type == "Root" { "root-user" } else { "Bob" };
        let iam = iam.key_in(account, owner, KEY).role_in(account, "Bob", ROLE_ID, "/");
        let exempted = format!("Bob,{KEY}");
        let variables = [
            self.measure,
            ("MEMBER_ROLE", "key-remediator-member"),
            ("ROOT_KEYS", "delete"),
            ("EXEMPT", if exempt { &exempted } else { "" }),
            ("DRY_RUN", if dry_run { "true" } else { "false" }),
        ];
        let answer = iam.function(&variables).invoke(&self.finding());
        let outcome = outcome(&answer);
        let calls = iam.calls().into_iter().map(|call| call.action).collect::<Vec<_>>();
        if calls.is_empty() { outcome.to_owned() } else { format!("{outcome}: {}", calls.join(", ")) }
    }
}

#[tokio::test]
async fn the_table_of_calls_is_what_the_function_does() {
    let mut table = String::from(
        "# Calls\n\n\
         What the function does about a GuardDuty finding that names user, role or root `Bob`, and which calls to AWS it\n\
         makes, in order, with `MEMBER_ROLE` set, `ROOT_KEYS=delete` and `ACTION=deactivate`. `tests/calls.rs` writes this\n\
         table from what it sees.\n\n\
         | user type | key | configuration | account | otherwise | EXEMPT | DRY_RUN |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows() {
        let Row { user_type, prefix, measure: (variable, value), account } = row;
        let (otherwise, exempt) = (row.outcome(false, false).await, row.outcome(true, false).await);
        assert_eq!(row.outcome(true, true).await, exempt, "EXEMPT comes before DRY_RUN");
        let dry_run = row.outcome(false, true).await;
        let changes = ["Update", "Delete", "Put", "Attach", "Detach"];
        assert!(!changes.iter().any(|change| dry_run.contains(change)), "{dry_run}");
        assert!(!changes.iter().any(|change| exempt.contains(change)), "{exempt}");
        writeln!(
            table,
            "| {user_type} | {prefix} | {variable}={value} | {account} | {otherwise} | {exempt} | {dry_run} |"
        )
        .expect("text");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/calls.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &table).expect("written");
    }
    let documented = std::fs::read_to_string(path).expect("docs/calls.md");
    assert!(documented == table, "docs/calls.md is out of date: run UPDATE_DOCS=1 cargo test --test calls\n{table}");
}
