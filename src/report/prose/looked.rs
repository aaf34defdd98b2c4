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
    if !looks.new_keys.is_empty() {
        let keys = joined(&looks.new_keys);
        seen.extend([
            "; whoever held it has made access key ",
            &keys,
            " for the same user, which was deactivated, too",
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
        seen.push_str("; not everything could be looked at again");
    }
    seen
}

/// How many things are named in a sentence; the field `evidence` has more.
const NAMED: usize = 10;

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
        let names: Vec<_> = names.into_iter().map(ForeignText::as_str).collect();
        if names.is_empty() { None } else { Some(format!("{what} {}", names.join(", "))) }
    };
    let users = names("users", new.users.iter().map(|user| &user.name).collect());
    let roles = names("roles", new.roles.iter().map(|role| &role.name).collect());
    let made: Vec<_> = users.into_iter().chain(roles).collect();
    if made.is_empty() { String::new() } else { format!("; new in the account since then: {}", made.join(" and ")) }
}

/// What a person does about a credential that was fought for.
pub(super) const CONTESTED: &str = "somebody works against it, with another credential or in the seconds that IAM needs: find in CloudTrail who did, and \
     contain that one, too";
