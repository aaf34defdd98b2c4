//! What was seen a while after a credential was contained.

use crate::case::Case;
use crate::evidence::Made;
use crate::names::{AccessKeyId, ForeignText};
use crate::record::{Done, NewPrincipals};
use crate::report::looks::seconds;

/// What came back, what is new, and what was not seen.
pub(super) fn what_was_seen(case: &Case<'_>) -> String {
    let looks = &case.record.looks;
    let mut seen = String::new();
    if looks.reactivated {
        seen.push_str("; somebody made the key active again, and it was deactivated again");
    }
    if !looks.alive.is_empty() {
        seen.extend(["; the newer access key ", &joined(&looks.alive), " of the same user could not be deactivated"]);
    }
    if !looks.new_keys.is_empty() {
        let keys = joined(&looks.new_keys);
        seen.extend([
            "; access key ",
            &keys,
            " was made for the same user within a minute of it and was deactivated, too",
        ]);
    }
    if looks.deny_removed {
        let is_back = case.record.has(|done| matches!(done, Done::Denied { .. }));
        seen.push_str("; somebody had taken the deny away");
        seen.push_str(if is_back { ", and it was put back" } else { "" });
    }
    if let Some(time) = looks.used_after {
        seen.extend(["; by CloudTrail it was used at ", &seconds(time), ", when it should have been dead"]);
    }
    if !looks.newer_keys.is_empty() {
        seen.extend(["; the newer access key ", &joined(&looks.newer_keys), " of the same user was not touched"]);
    }
    seen.push_str(&new_principals(&looks.new_principals));
    seen.push_str(&made(case));
    if looks.incomplete {
        let who = if case.record.is_followed_up { "only a follow-up verifies" } else { "nobody has verified" };
        seen.extend(["; ", who, " that it stays so, as a look was left out or could not see everything"]);
    }
    if let Some(time) = case.record.delete_on {
        seen.extend(["; it is deleted at ", &seconds(time), " unless it is restored by this function before"]);
    }
    seen
}

/// How many things are named in a sentence; the fields `evidence` and `newPrincipals` have more.
const NAMED: usize = 5;

/// What the credential made, by CloudTrail.
fn made(case: &Case<'_>) -> String {
    let Some(evidence) = &case.record.evidence else { return String::new() };
    let made = evidence.made.iter().take(NAMED).map(|Made { kind, name, .. }| match name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_string(),
    });
    let made: Vec<_> = made.collect();
    let more = if evidence.made.len() > NAMED { " and more" } else { "" };
    if made.is_empty() { String::new() } else { format!("; by CloudTrail it called {}{more}", made.join(", ")) }
}

fn joined(keys: &[AccessKeyId]) -> String {
    keys.iter().map(AccessKeyId::as_str).collect::<Vec<_>>().join(", ")
}

fn new_principals(new: &NewPrincipals) -> String {
    let names = |what: &str, names: Vec<&ForeignText>| {
        let more = names.len().saturating_sub(NAMED);
        let told: Vec<_> = names.into_iter().take(NAMED).map(ForeignText::as_str).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if told.is_empty() { None } else { Some(format!("{what} {}{more}", told.join(", "))) }
    };
    let users = names("users", new.users.iter().map(|user| &user.name).collect());
    let roles = names("roles", new.roles.iter().map(|role| &role.name).collect());
    let made: Vec<_> = users.into_iter().chain(roles).collect();
    if made.is_empty() {
        String::new()
    } else {
        format!("; new in the account since a minute before: {}", made.join(" and "))
    }
}

/// What a person does about a credential that was fought for.
pub(super) const CONTESTED: &str = "find in CloudTrail who worked against it, with another credential or in the seconds that \
                                    IAM needs, and contain that one, too";
