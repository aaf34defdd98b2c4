//! The catalogue of everything that can be reported, `docs/reasons.md`: made of examples, and written anew with
//! `UPDATE_DOCS=1 cargo test --lib`.

use std::collections::BTreeSet;
use std::fmt::Write;

use chrono::NaiveDate;

use serde_json::{Value, json};

use super::code;
use super::prose::{self, Words};
use crate::case::Case;
use crate::config::Config;
use crate::credential::{Credential, KeyStatus, NamedAccounts, Principal, ReservedRole};
use crate::decision::decide;
use crate::event::{self, EventError, Unreadable};
use crate::failure::{AwsError, AwsErrorKind, Cause, Disagreement, Failed, Missing};
use crate::finding::{Finding, NotInForce};
use crate::names::{AccessKeyId, AccountId, ForeignText, RoleName, UserName};
use crate::plan::{Beyond, Measure, Plan, Step};
use crate::record::{Done, Entry, KeysSeen, Left, ListedKey, Looks, Means, Outcome, Record};

const OWN: &str = "123456789012";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// A line of the catalogue.
struct Row {
    code: String,
    outcome: Option<Outcome>,
    words: Words,
}

fn finding(input: &Value) -> Finding {
    event::read(&input.to_string()).pop().expect("an item").content.expect("a finding")
}

fn key_of(user_type: &str, key: &str) -> Finding {
    let principal = if user_type == "IAMUser" { "AIDACKCEVSQ6C2EXAMPLE" } else { "unknown" };
    guardduty(&json!({"userType": user_type, "userName": "Bob", "accessKeyId": key, "principalId": principal}))
}

fn guardduty(details: &Value) -> Finding {
    finding(&json!({
        "source": "aws.guardduty", "detail-type": "GuardDuty Finding", "account": OWN,
        "detail": {"type": "UnauthorizedAccess:IAMUser/TorIPCaller", "severity": 8,
                   "resource": {"accessKeyDetails": details}},
    }))
}

fn custom(detail: &Value) -> Finding {
    finding(&json!({"source": "com.example", "detail-type": "Leak", "account": OWN, "detail": detail}))
}

fn role_session() -> Finding {
    let principal = "AROACKCEVSQ6C2EXAMPLE:session";
    guardduty(&json!({"userType": "AssumedRole", "userName": "Bob", "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                      "principalId": principal}))
}

fn restore_sessions() -> Finding {
    finding(&json!({"RestoreSessions": {"RoleName": "Bob"}}))
}

fn with_account(finding: Finding) -> Finding {
    Finding { accounts: NamedAccounts::of(AccountId::new("111122223333")), ..finding }
}

fn config(variables: &[(&str, &str)]) -> Config {
    let lookup = |name: &str| {
        let known = variables.iter().find(|(variable, _)| *variable == name);
        known.map(|(_, value)| (*value).to_owned())
    };
    Config::from_lookup(lookup).expect("valid")
}

fn own() -> AccountId {
    AccountId::new(OWN).expect("valid")
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2027, 3, 31).expect("a day")
}

fn user() -> UserName {
    UserName::new("Bob").expect("valid")
}

fn role() -> RoleName {
    RoleName::new("Bob").expect("valid")
}

fn of_result(case: &Case<'_>) -> Row {
    let record = &case.record;
    Row {
        code: code::of_result(record).expect("a result").to_owned(),
        outcome: Some(record.outcome()),
        words: prose::result(case),
    }
}

/// What the decision leaves alone.
fn left_by_the_decision() -> Vec<Row> {
    let key = || key_of("IAMUser", KEY);
    let not_in_force = |why| Finding { not_in_force: Some(why), ..key() };
    let rows: Vec<(Finding, &[(&str, &str)])> = vec![
        (finding(&json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})), &[]),
        (not_in_force(NotInForce::Sample), &[]),
        (not_in_force(NotInForce::Archived), &[]),
        (not_in_force(NotInForce::Suppressed), &[]),
        (not_in_force(NotInForce::Resolved), &[]),
        (not_in_force(NotInForce::OtherProduct), &[]),
        (key(), &[("FINDING_TYPES", "*,!UnauthorizedAccess:*")]),
        (key(), &[("MIN_SEVERITY", "9")]),
        (custom(&json!({"accessKeyId": KEY})), &[]),
        (key(), &[("EXEMPT", "b*")]),
        (key_of("IAMUser", "ASIAIOSFODNN7EXAMPLE"), &[]),
        (key_of("AssumedRole", "ASIAIOSFODNN7EXAMPLE"), &[("ROLE_SESSIONS", "deny")]),
        (key_of("AssumedRole", KEY), &[]),
        (guardduty(&json!({"userType": "IAMUser", "userName": "Bob"})), &[]),
        (key_of("Root", KEY), &[]),
        (key(), &[("ACCOUNTS", "111122223333")]),
        (with_account(key()), &[]),
        (Finding { accounts: NamedAccounts::of_unreadable(ForeignText::new("unknown")), ..key() }, &[]),
        (
            finding(&json!({
                "source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "account": OWN,
                "detail": {"eventName": "AttachUserPolicy", "requestParameters": {
                    "userName": "Bob", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}},
            })),
            &[],
        ),
    ];
    let row = |(finding, variables): (Finding, &[(&str, &str)])| {
        let left = decide(&finding, &config(variables), &own(), today()).expect_err("left alone");
        of_result(&Case::new(&finding, None, Record { left: Some(left), ..Record::default() }))
    };
    rows.into_iter().map(row).collect()
}

/// What is left alone on IAM's word.
fn left_by_containment() -> Vec<Row> {
    let key = || key_of("IAMUser", KEY);
    let rows = vec![
        (key(), Left::OwnerExempt { by: Entry { text: "b*".to_owned(), ends_soon: None } }),
        (key(), Left::OwnerDiffers { named: UserName::new("Carol").expect("valid") }),
        (key(), Left::NoSuchKey),
        (with_account(key_of("Root", KEY)), Left::NoSuchRootKey),
        (restore_sessions(), Left::NoSuchPrincipal),
        (role_session(), Left::PrincipalNotHere(Principal::Role(role()))),
        (role_session(), Left::PrincipalDiffers(Principal::Role(role()))),
        (role_session(), Left::HoldersDiffer),
        (key(), Left::NotEverywhere(Beyond::Account(AccountId::new("111122223333").expect("valid")))),
        (key(), Left::NotEverywhere(Beyond::Unreadable(ForeignText::new("unknown")))),
        (key(), Left::IssuedElsewhere(AccountId::new("111122223333").expect("valid"))),
        (key(), Left::GoneWithoutOwner(Some(user()))),
        (role_session(), Left::OwnRole(role())),
        (role_session(), Left::Reserved(role(), ReservedRole::ServiceLinked)),
        (role_session(), Left::Reserved(role(), ReservedRole::IdentityCenter)),
        (key(), Left::QuotaFull(Principal::User(user()))),
        (role_session(), Left::Unmodifiable(Principal::Role(role()))),
        (key(), Left::DryRun),
        (key(), Left::DryRunGone),
        (key(), Left::NoSchedule),
        (key(), Left::NotDue(chrono::DateTime::UNIX_EPOCH)),
        (key(), Left::NotDeleting),
        (key(), Left::ActiveAgain),
    ];
    let config = all();
    let row = |(finding, left): (Finding, Left)| {
        let deactivated = matches!(left, Left::QuotaFull(_)).then_some(Done::StatusSet(KeyStatus::Inactive));
        let record = Record { left: Some(left), done: deactivated.into_iter().collect(), ..Record::default() };
        of_result(&Case::new(&finding, Some(plan(&finding, &config)), record))
    };
    rows.into_iter().map(row).collect()
}

/// A configuration that acts on everything.
fn all() -> Config {
    config(&[
        ("CONTAINMENT", "principal"),
        ("ROLE_SESSIONS", "deny"),
        ("MEMBER_ROLE", "member"),
        ("ROOT_KEYS", "delete"),
        ("ACTION", "delete"),
    ])
}

fn plan<'c>(finding: &'c Finding, config: &'c Config) -> Plan<'c> {
    decide(finding, config, &own(), today()).expect("a plan")
}

/// What is done.
fn done() -> Vec<Row> {
    let key = || key_of("IAMUser", KEY);
    let deactivated = || Done::StatusSet(KeyStatus::Inactive);
    let denied = |on, measure| Done::Denied { on, measure, by: Means::Policy };
    let rows = vec![
        (key(), vec![deactivated()]),
        (key(), vec![deactivated(), denied(Principal::User(user()), Measure::Everything), Done::KeyDeleted]),
        (with_account(key_of("Root", KEY)), vec![Done::RootKeyDeleted]),
        (role_session(), vec![denied(Principal::Role(role()), Measure::OlderSessions)]),
        (role_session(), vec![denied(Principal::Role(role()), Measure::Everything)]),
        (
            key_of("IAMUser", "ASIAIOSFODNN7EXAMPLE"),
            vec![denied(Principal::User(user()), Measure::TemporaryCredentials)],
        ),
        (
            key_of("IAMUser", "ASIAIOSFODNN7EXAMPLE"),
            vec![Done::Denied { on: Principal::User(user()), measure: Measure::Everything, by: Means::Group }],
        ),
        (
            finding(&json!({"UpdateAccessKey": {"UserName": "Bob", "AccessKeyId": KEY, "Status": "Active"}})),
            vec![Done::StatusSet(KeyStatus::Active)],
        ),
        (restore_sessions(), vec![Done::NothingToLift { from: Principal::Role(role()) }]),
        (restore_sessions(), vec![Done::Lifted { from: Principal::Role(role()) }]),
    ];
    let config = all();
    let row = |(finding, done): (Finding, Vec<Done>)| {
        let sibling = ListedKey {
            id: AccessKeyId::new("AKIAI44QH8DHBEXAMPLE").expect("valid"),
            status: KeyStatus::Active,
            created: None,
        };
        let at = chrono::DateTime::UNIX_EPOCH;
        let seen = KeysSeen { key: None, siblings: vec![sibling], complete: true, at };
        let record = Record { done, seen: Some(seen), ..Record::default() };
        of_result(&Case::new(&finding, Some(plan(&finding, &config)), record))
    };
    rows.into_iter().map(row).chain([contested()]).collect()
}

/// What came back and was contained again.
fn contested() -> Row {
    let (finding, config) = (key_of("IAMUser", KEY), all());
    let looks = Looks {
        reactivated: true,
        new_keys: vec![AccessKeyId::new("AKIAI44QH8DHBEXAMPLE").expect("valid")],
        deny_removed: true,
        ..Looks::default()
    };
    let done = vec![Done::StatusSet(KeyStatus::Inactive)];
    let record = Record { done, looks, ..Record::default() };
    of_result(&Case::new(&finding, Some(plan(&finding, &config)), record))
}

/// Each step with each kind of failure that it can have.
fn failed() -> Vec<Row> {
    let aws = |call, kind, problem| Cause::Aws(AwsError { call, kind, problem: ForeignText::new(problem) });
    let steps = [
        (Step::SetStatus(KeyStatus::Inactive), "iam:UpdateAccessKey", Some(Disagreement::StillActive)),
        (Step::SetStatus(KeyStatus::Active), "iam:UpdateAccessKey", Some(Disagreement::StillInactive)),
        (Step::FindOwner, "iam:GetAccessKeyLastUsed", Some(Disagreement::DeniesTheOwner)),
        (Step::DeleteKey, "iam:DeleteAccessKey", Some(Disagreement::StillThere)),
        (Step::DeleteRootKey, "sts:AssumeRoot", Some(Disagreement::StillThere)),
        (Step::CheckPrincipal, "iam:GetRole", None),
        (Step::Deny(Measure::TemporaryCredentials), "iam:AttachUserPolicy", None),
        (Step::Deny(Measure::Everything), "iam:AttachUserPolicy", None),
        (Step::Lift, "iam:DetachUserPolicy", Some(Disagreement::DeniesTheUser)),
        (Step::ListLeftovers, "iam:ListUserPolicies", None),
        (Step::Confirm, "iam:ListAccessKeys", None),
        (Step::ListCredentials, "iam:GetLoginProfile", None),
        (Step::DeactivateNewKey, "iam:UpdateAccessKey", Some(Disagreement::DeniesTheKey)),
        (Step::Look, "iam:ListAccessKeys", None),
        (Step::ListPrincipals, "iam:ListUsers", None),
        (Step::GatherEvidence, "cloudtrail:LookupEvents", None),
        (Step::MakeSchedule, "scheduler:CreateSchedule", None),
        (Step::ReadSchedule, "scheduler:GetSchedule", None),
        (Step::RemoveSchedule, "scheduler:DeleteSchedule", None),
    ];
    let mut rows = Vec::new();
    for (step, call, disagreement) in steps {
        let causes = [
            Some(aws(call, AwsErrorKind::MissingPermission, "AccessDenied: …")),
            Some(aws(call, AwsErrorKind::ExplicitlyDenied, "AccessDenied: … with an explicit deny …")),
            Some(aws(call, AwsErrorKind::Failed, "ServiceFailure: …")),
            Some(Cause::OutOfTime),
            disagreement.map(Cause::Disagreement),
            missing(step).map(Cause::NotDeployed),
        ];
        rows.extend(causes.into_iter().flatten().map(|cause| of_failed(&Failed { step, cause })));
    }
    rows
}

fn missing(step: Step) -> Option<Missing> {
    match step {
        Step::Deny(Measure::Everything) => Some(Missing::Policy("key-remediator-deny-all")),
        Step::Deny(_) => Some(Missing::Group("key-remediator-deny-temporary")),
        _ => None,
    }
}

fn of_failed(failed: &Failed) -> Row {
    let finding = match failed.step {
        Step::DeleteRootKey => with_account(key_of("Root", KEY)),
        Step::CheckPrincipal | Step::Deny(Measure::OlderSessions) => role_session(),
        Step::Deny(Measure::TemporaryCredentials) => key_of("IAMUser", "ASIAIOSFODNN7EXAMPLE"),
        Step::SetStatus(KeyStatus::Active) | Step::RemoveSchedule => {
            finding(&json!({"UpdateAccessKey": {"UserName": "Bob", "AccessKeyId": KEY, "Status": "Active"}}))
        }
        Step::Lift => restore_sessions(),
        Step::FindOwner
        | Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired)
        | Step::Deny(Measure::Everything)
        | Step::ListLeftovers
        | Step::DeleteKey
        | Step::ListCredentials
        | Step::Confirm
        | Step::DeactivateNewKey
        | Step::Look
        | Step::ListPrincipals
        | Step::GatherEvidence
        | Step::MakeSchedule
        | Step::ReadSchedule => key_of("IAMUser", KEY),
    };
    let is_first =
        matches!(failed.step, Step::FindOwner | Step::SetStatus(_) | Step::ReadSchedule | Step::RemoveSchedule);
    let deactivated = matches!(finding.credential, Credential::UserKey { .. }) && !is_first;
    let done = deactivated.then_some(Done::StatusSet(KeyStatus::Inactive)).into_iter().collect();
    let config = all();
    let outcome = (!failed.step.only_informs()).then_some(Outcome::Failed);
    let alive =
        (failed.step == Step::DeactivateNewKey).then(|| AccessKeyId::new("AKIAI44QH8DHBEXAMPLE").expect("valid"));
    let looks = Looks { alive: alive.into_iter().collect(), ..Looks::default() };
    let record = Record { done, failed: vec![failed.clone()], looks, ..Record::default() };
    let case = Case::new(&finding, Some(plan(&finding, &config)), record);
    Row { code: code::of_failed(failed), outcome, words: prose::failure(&case, failed, true) }
}

fn unreadable() -> Vec<Row> {
    let rows = [
        (Unreadable::Input, "the input", "is no event …"),
        (Unreadable::Envelope, "Records[0].body", "is not JSON in a text"),
        (Unreadable::Event, "detail.severity", "is missing"),
        (Unreadable::Rest, "Records[0].body", "holds too many objects"),
        (Unreadable::Command, "UpdateAccessKey.AccessKeyId", "is missing"),
        (Unreadable::CommandsOff, "UpdateAccessKey", "is refused, as COMMANDS is false"),
    ];
    let row = |(kind, field, problem): (Unreadable, &str, &str)| {
        let words =
            prose::unreadable(&EventError { kind, field: field.to_owned(), problem: problem.to_owned(), more: 0 });
        Row { code: code::of_unreadable(kind).to_owned(), outcome: Some(Outcome::Failed), words }
    };
    rows.into_iter().map(row).collect()
}

fn page() -> String {
    let mut page = String::from(
        "# Reasons\n\n\
         Every result, every failure and every log line has a `code`. Codes stay as they are: build alarms, filters and\n\
         scripts on them, not on sentences. The sentences here are examples; `src/report/reasons.rs` writes this page from\n\
         them.\n\n\
         Some codes are of the process: `started` is the line at every cold start, with the version and the\n\
         configuration; `exemption_expired` an entry of EXEMPT that protects nobody any more; `invalid_configuration` and `cannot_start` say why the function does not start;\n\
         `answer_not_taken` says that Lambda did not take an answer, which the log holds. Lines of the Lambda\n\
         runtime's own have no code. `lines_omitted` says how many\n\
         lines of an invocation had no space. `exemption_ends` comes beside a result for which an entry of EXEMPT decided that\n\
         ends within two weeks.\n",
    );
    let mut section = |title: &str, about: &str, rows: Vec<Row>| {
        write!(page, "\n## {title}\n\n{about}\n\n| code | outcome | what it says | what to do |\n|---|---|---|---|\n")
            .expect("text");
        for Row { code, outcome, words } in rows {
            let outcome = outcome.map_or("-".to_owned(), |outcome| format!("`{outcome}`"));
            writeln!(page, "| `{code}` | {outcome} | {} | {} |", words.what, words.to_do).expect("text");
        }
    };
    section("Done", "AWS confirmed it.", done());
    let left = left_by_the_decision().into_iter().chain(left_by_containment()).collect();
    section("Left alone", "Nothing was changed, or not all that was asked for.", left);
    section(
        "Failed",
        "The invocation fails, or the message is handed back to SQS. Those with the outcome `-` only inform: they are \
         logged as warnings, and the result stands without them.",
        failed(),
    );
    section("Not read", "The input, or a part of it. Everything else in it was dealt with.", unreadable());
    page
}

#[test]
fn the_catalogue_of_reasons_is_what_the_function_says() {
    let page = page();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let documented = std::fs::read_to_string(path).expect("docs/reasons.md");
    assert!(documented == page, "docs/reasons.md is out of date: run UPDATE_DOCS=1 cargo test --lib");
}

/// The catalogue is made of examples: none may be missing.
#[test]
fn every_code_is_in_the_catalogue() {
    let source = include_str!("code.rs");
    let literals: BTreeSet<_> = source.split('"').skip(1).step_by(2).filter(|text| !text.contains('{')).collect();
    let rows = [done(), left_by_the_decision(), left_by_containment(), failed(), unreadable()];
    let codes: BTreeSet<_> = rows.into_iter().flatten().map(|row| row.code).collect();
    // Those of failures are made of two.
    let is_a_part = |code: &str, literal: &str| {
        code.split_once(literal).is_some_and(|(before, after)| {
            (before.is_empty() || before.ends_with('_')) && (after.is_empty() || after.starts_with('_'))
        })
    };
    let is_there = |literal: &str| codes.iter().any(|code| is_a_part(code, literal));
    let missing: Vec<_> =
        literals.into_iter().filter(|literal| !code::ALONE.contains(literal) && !is_there(literal)).collect();
    assert_eq!(missing, [""; 0]);
}
