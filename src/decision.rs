//! From a finding and the configuration to a plan, or to a reason not to act. Every gate is here except those that
//! need IAM's word, which the plan carries along: whose key it really is, and which role.

use chrono::{NaiveDate, TimeDelta};

use crate::config::{Action, Config, Containment, Protection, RoleSessions, RootKeys};
use crate::credential::{Credential, Holder, Identified, KeyStatus, Principal, ReservedRole};
use crate::finding::{Basis, Finding, Operation};
use crate::names::{AccessKeyId, AccountId, ForeignText, RoleName, UserName};
use crate::plan::{Beyond, First, IfGone, Later, Look, Measure, NameIs, Plan, Then};
use crate::record::{Entry, Left};
use crate::schedule::Target;

/// Decides about one finding. `own` is the account that the function runs in, `today` the day in UTC.
///
/// # Errors
/// Why the credential is left alone.
pub fn decide<'c>(
    finding: &'c Finding,
    config: &'c Config,
    own: &AccountId,
    today: NaiveDate,
) -> Result<Plan<'c>, Left> {
    below_a_gate(finding, config)?;
    // A notice asks for nothing that an exemption could hold back.
    if !matches!(finding.basis, Basis::Command(_) | Basis::Notice) {
        exempt(config.exempt.on(today), &finding.credential)?;
    }
    let named = &finding.accounts;
    let likeliest = named.first().unwrap_or(own);
    let (first, then) = steps(finding, config, likeliest, own, today)?;
    if let (None, Some(given)) = (named.first(), named.unreadable()) {
        return Err(Left::AccountUnreadable(given.clone()));
    }
    let is_beyond = |account: &AccountId| out_of_bounds(account, &first, config, own);
    // What other places add is not taken for the credential's account, where that one may not be touched.
    if let (true, Some(left)) = (named.is_certain(), is_beyond(likeliest)) {
        return Err(left);
    }
    let named_or_own = if named.is_empty() { std::slice::from_ref(own) } else { named.readable() };
    let (beyond, reachable): (Vec<_>, Vec<_>) =
        named_or_own.iter().cloned().partition(|account| is_beyond(account).is_some());
    let Some((account, elsewhere)) = reachable.split_first() else {
        return Err(is_beyond(likeliest).unwrap_or(Left::NoCredential));
    };
    let unreadable = || named.unreadable().cloned().map(Beyond::Unreadable);
    Ok(Plan {
        account: account.clone(),
        elsewhere: elsewhere.to_vec(),
        beyond: beyond.into_iter().next().map(Beyond::Account).or_else(unreadable),
        if_gone: if_gone(finding, config, &reachable, own),
        is_contradicted: false,
        first,
        then,
        dry_run: config.dry_run,
        look: look(finding, config, today),
        later: later(finding, config),
        evidence: config.evidence && !config.dry_run && !matches!(finding.basis, Basis::Command(_)),
    })
}

/// A person who gives a command does not wait for looks.
fn look<'c>(finding: &'c Finding, config: &'c Config, today: NaiveDate) -> Option<Look<'c>> {
    let looks = match finding.basis {
        Basis::Command(_) => false,
        Basis::FollowUp(_) => true,
        Basis::Detection { .. } | Basis::Report | Basis::Notice | Basis::Custom => !config.verify_after.is_empty(),
    };
    let looks = looks && !config.dry_run;
    let user_id = match &finding.credential {
        Credential::UserKey { user_id, .. } => user_id.as_ref(),
        Credential::RootKey { .. }
        | Credential::Session { .. }
        | Credential::Sessions { .. }
        | Credential::Contradictory { .. }
        | Credential::Unidentified { .. }
        | Credential::None => None,
    };
    looks.then(|| Look { protection: config.exempt.on(today), is_repeat: finding.origin.repeat, user_id })
}

/// A person's command and a follow-up are not followed up.
fn later(finding: &Finding, config: &Config) -> Later {
    if matches!(finding.basis, Basis::Command(_) | Basis::FollowUp(_)) || config.dry_run {
        return Later::default();
    }
    let if_any = |time: TimeDelta| (!time.is_zero()).then_some(time);
    Later { look: if_any(config.follow_up_after), delete: if_any(config.delete_after) }
}

/// The gates that say that there is nothing to do.
fn below_a_gate(finding: &Finding, config: &Config) -> Result<(), Left> {
    if finding.credential == Credential::None {
        return Err(Left::NoCredential);
    }
    if let Some(why) = finding.not_in_force {
        return Err(Left::NotInForce(why));
    }
    match &finding.basis {
        Basis::Detection { severity, kind } => {
            let glob = config.finding_types.decider(kind);
            if !glob.is_some_and(|glob| glob.selects) {
                let glob = glob.map(ToString::to_string);
                return Err(Left::TypeNotSelected { kind: ForeignText::new(kind), glob });
            }
            let (variable, minimum) = if kind.contains("AnomalousBehavior") {
                ("ANOMALY_MIN_SEVERITY", config.anomaly_min_severity)
            } else {
                ("MIN_SEVERITY", config.min_severity)
            };
            let severity = *severity;
            if severity < minimum { Err(Left::BelowSeverity { severity, minimum, variable }) } else { Ok(()) }
        }
        Basis::Custom => {
            let source = finding.origin.source.as_str();
            let listed = config.custom_sources.iter().any(|custom| custom == source);
            if listed { Ok(()) } else { Err(Left::SourceNotListed) }
        }
        Basis::Report | Basis::Notice | Basis::Command(_) | Basis::FollowUp(_) => Ok(()),
    }
}

/// Whether EXEMPT protects a name or the key.
fn exempt(protection: Protection<'_>, credential: &Credential) -> Result<(), Left> {
    let names = [
        credential.user().map(UserName::as_str),
        credential.role().map(RoleName::as_str),
        credential.other_holder().map(ForeignText::as_str),
        credential.key().map(AccessKeyId::as_str),
        credential.is_root().then_some("root"),
    ];
    let protected = names.into_iter().flatten().find_map(|name| Some((name, Entry::protecting(name, protection)?)));
    match protected {
        Some((name, by)) => Err(Left::Exempt { name: name.to_owned(), by }),
        None => Ok(()),
    }
}

/// What can be done about a credential.
fn steps<'c>(
    finding: &'c Finding,
    config: &'c Config,
    account: &AccountId,
    own: &AccountId,
    today: NaiveDate,
) -> Result<(First<'c>, Vec<Then>), Left> {
    if finding.basis == Basis::Notice {
        return Err(Left::OnlyReported);
    }
    let only = |first| Ok((first, Vec::new()));
    if let Basis::FollowUp(follow_up) = &finding.basis {
        let name = NameIs::Hint(config.exempt.on(today));
        return only(match &follow_up.target {
            Target::Key { id, user, .. } => {
                First::SetStatus { key: id, user: Some(user), name, status: KeyStatus::Inactive }
            }
            Target::Principal { on, measure, .. } => First::Deny { on: on.clone(), measure: *measure },
        });
    }
    let measure = measure(config.containment);
    match &finding.credential {
        Credential::UserKey { id, user, .. } => {
            let operation = operation(&finding.basis, config.action);
            let name = match finding.basis {
                Basis::Command(_) => NameIs::Condition,
                Basis::Detection { .. } | Basis::Report | Basis::Notice | Basis::Custom | Basis::FollowUp(_) => {
                    NameIs::Hint(config.exempt.on(today))
                }
            };
            let first = First::SetStatus { key: id, user: user.as_ref(), name, status: operation.status() };
            // What is deleted later is only deactivated now.
            let is_command = matches!(finding.basis, Basis::Command(_));
            let is_later = operation == Operation::Delete && !is_command && !config.delete_after.is_zero();
            let operation = if is_later { Operation::Deactivate } else { operation };
            Ok((first, after_the_key(operation, measure)))
        }
        Credential::RootKey { id } => match config.root_keys {
            RootKeys::Delete if account != own => {
                let or_users = config.member_role.is_some().then_some(NameIs::Hint(config.exempt.on(today)));
                let first = First::DeleteRootKey { key: id, or_users };
                Ok((first, after_the_key(operation(&finding.basis, config.action), measure)))
            }
            RootKeys::Delete | RootKeys::Report => {
                let allowed = config.accounts.is_empty() || config.accounts.contains(account);
                Err(Left::RootKey { account: account.clone(), deletable: account != own && allowed })
            }
        },
        Credential::Session { .. } if matches!(finding.basis, Basis::Command(_)) => {
            Err(Left::TemporaryCredentials { unless: None })
        }
        Credential::Session { holder, .. } => {
            let (measure, unless) = match holder {
                Holder::Role { .. } => (of_roles(config.role_sessions), "ROLE_SESSIONS=deny"),
                _ => (measure, "CONTAINMENT=sessions"),
            };
            if let Some(measure) = measure {
                return only(denial(holder, measure)?);
            }
            // It would not, where it could not say whose they are either.
            let would = denial(holder, Measure::Everything).is_ok();
            Err(Left::TemporaryCredentials { unless: would.then_some(unless) })
        }
        Credential::Sessions { of } => only(First::Lift { from: of.clone() }),
        Credential::Contradictory { .. } => Err(Left::Contradictory),
        Credential::Unidentified { .. } => Err(Left::Unidentified),
        Credential::None => Err(Left::NoCredential),
    }
}

fn operation(basis: &Basis, action: Action) -> Operation {
    match (basis, action) {
        (Basis::Command(operation), _) => *operation,
        (_, Action::Deactivate) => Operation::Deactivate,
        (_, Action::Delete) => Operation::Delete,
    }
}

fn measure(containment: Containment) -> Option<Measure> {
    match containment {
        Containment::Key => None,
        Containment::Sessions => Some(Measure::TemporaryCredentials),
        Containment::Principal => Some(Measure::Everything),
    }
}

fn of_roles(sessions: RoleSessions) -> Option<Measure> {
    match sessions {
        RoleSessions::Report => None,
        RoleSessions::Deny => Some(Measure::Everything),
        RoleSessions::Revoke => Some(Measure::OlderSessions),
    }
}

/// The owner is contained before the key is deleted: a retry that finds no key cannot know whose it was. What only
/// informs comes last.
fn after_the_key(operation: Operation, measure: Option<Measure>) -> Vec<Then> {
    let mut then = Vec::new();
    match (operation, measure) {
        (_, None) => {}
        (Operation::Restore, Some(_)) => then.push(Then::LiftFromOwner),
        (Operation::Deactivate | Operation::Delete, Some(measure)) => {
            then.push(Then::DenyOwner(measure));
        }
    }
    if operation == Operation::Delete {
        then.push(Then::DeleteKey);
    }
    then.push(Then::Confirm);
    if operation != Operation::Restore && measure == Some(Measure::Everything) {
        then.push(Then::ListCredentials);
    }
    then
}

/// Denying a principal that is known well enough to be sure that it is the right one.
fn denial<'c>(holder: &Holder, measure: Measure) -> Result<First<'c>, Left> {
    match holder {
        Holder::User { name: Some(name), id } => match id {
            Some(id) => Ok(First::Deny { on: Identified::User(name.clone(), id.clone()), measure }),
            None => Err(Left::PrincipalUnknown(Principal::User(name.clone()))),
        },
        Holder::Role { name: Some(name), id, .. } => {
            if let Some(reserved) = ReservedRole::by_name(name) {
                return Err(Left::Reserved(name.clone(), reserved));
            }
            match id {
                Some(id) => Ok(First::Deny { on: Identified::Role(name.clone(), id.clone()), measure }),
                None => Err(Left::PrincipalUnknown(Principal::Role(name.clone()))),
            }
        }
        Holder::User { name: None, .. }
        | Holder::Role { name: None, .. }
        | Holder::Root
        | Holder::Other(_)
        | Holder::Unknown(_) => Err(Left::TemporaryCredentials { unless: None }),
    }
}

/// What is done where there is no such key.
fn if_gone<'c>(finding: &'c Finding, config: &Config, reachable: &[AccountId], own: &AccountId) -> IfGone<'c> {
    let is_command = matches!(finding.basis, Basis::Command(_));
    match (&finding.credential, measure(config.containment)) {
        (Credential::UserKey { or_root: true, .. }, _) => {
            let may_delete = |account: &&AccountId| config.root_keys == RootKeys::Delete && *account != own;
            IfGone::RootKey { delete_in: reachable.iter().filter(may_delete).cloned().collect() }
        }
        (Credential::UserKey { user, user_id, .. }, Some(measure))
            if !is_command && (user.is_some() || user_id.is_some()) =>
        {
            IfGone::ContainOwner { user: user.as_ref(), id: user_id.as_ref(), measure }
        }
        _ => IfGone::Nothing,
    }
}

/// Why this function may not or cannot act in an account.
fn out_of_bounds(account: &AccountId, first: &First<'_>, config: &Config, own: &AccountId) -> Option<Left> {
    if !config.accounts.is_empty() && !config.accounts.contains(account) {
        return Some(Left::AccountNotListed(account.clone()));
    }
    if account == own && matches!(first, First::DeleteRootKey { .. }) {
        return Some(Left::RootKey { account: account.clone(), deletable: false });
    }
    // A session of the root user is asked of STS directly; everything else needs a role in the account.
    let reachable = account == own || config.member_role.is_some() || matches!(first, First::DeleteRootKey { .. });
    (!reachable).then(|| Left::AccountOutOfReach { account: account.clone(), own: own.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::NamedAccounts;
    use crate::event::claim::Claim;
    use crate::finding::{NotInForce, Origin, Severity};

    const OWN: &str = "123456789012";
    const OTHER: &str = "111122223333";

    fn config(variables: &[(&str, &str)]) -> Config {
        let lookup =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        Config::from_lookup(lookup).expect("valid")
    }

    fn finding(basis: Basis) -> Finding {
        let accounts = NamedAccounts::of(AccountId::new(OWN));
        let claim =
            Claim { key: Some("AKIAIOSFODNN7EXAMPLE"), user: Some("Bob"), user_type: Some("IAMUser"), principal: None };
        Finding {
            origin: Origin::new("com.example"),
            credential: claim.credential(&accounts),
            accounts,
            basis,
            not_in_force: None,
        }
    }

    fn detection(kind: &str, severity: f64) -> Finding {
        let severity = Severity::new(severity).expect("valid");
        finding(Basis::Detection { severity, kind: kind.to_owned() })
    }

    /// The outcome of a finding that is left alone, or what would be done.
    fn decided(finding: &Finding, variables: &[(&str, &str)]) -> String {
        match decide(finding, &config(variables), &AccountId::new(OWN).expect("valid"), NaiveDate::default()) {
            Ok(Plan { account, first: First::SetStatus { key, status, .. }, then, .. }) => {
                let delete = if then.contains(&Then::DeleteKey) { " and delete" } else { "" };
                format!("{status}{delete} {key} {account}")
            }
            Ok(plan) => format!("{plan:?}"),
            Err(left) => left.outcome().to_string(),
        }
    }

    const ACT: &str = "Inactive AKIAIOSFODNN7EXAMPLE 123456789012";

    #[test]
    fn detections_pass_gates_of_type_and_severity() {
        let tor = "UnauthorizedAccess:IAMUser/TorIPCaller";
        let anomaly = "Persistence:IAMUser/AnomalousBehavior";
        for (kind, severity, variables, expected) in [
            (tor, 4.0, &[][..], ACT),
            (tor, 3.9, &[], "ignored"),
            (tor, 3.9, &[("MIN_SEVERITY", "2")], ACT),
            (anomaly, 6.9, &[], "ignored"),
            (anomaly, 7.0, &[], ACT),
            (anomaly, 5.0, &[("ANOMALY_MIN_SEVERITY", "5")], ACT),
            ("Impact:S3/AnomalousBehavior.Delete", 6.0, &[], "ignored"),
            ("Policy:S3/BucketPublicAccessGranted", 8.0, &[], "ignored"),
            ("Policy:S3/BucketPublicAccessGranted", 8.0, &[("FINDING_TYPES", "*")], ACT),
            (tor, 9.0, &[("FINDING_TYPES", "AttackSequence:*")], "ignored"),
        ] {
            assert_eq!(decided(&detection(kind, severity), variables), expected, "{kind} {severity} {variables:?}");
        }
    }

    #[test]
    fn reports_and_commands_pass_no_gate_of_severity_and_custom_sources_have_to_be_listed() {
        for (basis, variables, expected) in [
            (Basis::Report, &[("MIN_SEVERITY", "10"), ("FINDING_TYPES", "Recon:*")][..], ACT),
            (Basis::Command(Operation::Deactivate), &[("EXEMPT", "*")], ACT),
            (Basis::Report, &[("EXEMPT", "*")], "exempt"),
            (Basis::Notice, &[], "needs_attention"),
            (Basis::Custom, &[], "ignored"),
            (Basis::Custom, &[("CUSTOM_SOURCES", "com.example")], ACT),
            (Basis::Custom, &[("CUSTOM_SOURCES", "com.example.other")], "ignored"),
        ] {
            assert_eq!(decided(&finding(basis.clone()), variables), expected, "{basis:?} {variables:?}");
        }
    }

    #[test]
    fn what_is_not_in_force_is_ignored() {
        for why in [NotInForce::Sample, NotInForce::Archived, NotInForce::Resolved] {
            let finding = Finding { not_in_force: Some(why), ..finding(Basis::Report) };
            assert_eq!(decided(&finding, &[]), "ignored", "{why:?}");
        }
    }

    #[test]
    fn only_listed_accounts_and_only_the_functions_own_are_touched() {
        for (account, variables, expected) in [
            (Some(OWN), &[][..], ACT),
            (None, &[], ACT),
            (Some(OTHER), &[], "needs_attention"),
            (Some(OTHER), &[("ACCOUNTS", OTHER)], "needs_attention"),
            (Some(OWN), &[("ACCOUNTS", OTHER)], "needs_attention"),
            (Some(OWN), &[("ACCOUNTS", "111122223333,123456789012")], ACT),
        ] {
            let finding =
                Finding { accounts: NamedAccounts::of(account.and_then(AccountId::new)), ..finding(Basis::Report) };
            assert_eq!(decided(&finding, variables), expected, "{account:?} {variables:?}");
        }
    }

    #[test]
    fn a_commands_operation_is_its_own_whatever_action_says() {
        for (operation, expected) in
            [(Operation::Deactivate, ACT), (Operation::Restore, "Active AKIAIOSFODNN7EXAMPLE 123456789012")]
        {
            assert_eq!(decided(&finding(Basis::Command(operation)), &[("ACTION", "delete")]), expected);
        }
        assert_eq!(
            decided(&finding(Basis::Report), &[("ACTION", "delete")]),
            "Inactive and delete AKIAIOSFODNN7EXAMPLE 123456789012"
        );
    }

    #[test]
    fn the_owner_is_contained_before_the_key_is_deleted() {
        let variables = [("ACTION", "delete"), ("CONTAINMENT", "principal")];
        let (finding, config) = (finding(Basis::Report), config(&variables));
        let plan =
            decide(&finding, &config, &AccountId::new(OWN).expect("valid"), NaiveDate::default()).expect("a plan");
        let expected = [Then::DenyOwner(Measure::Everything), Then::DeleteKey, Then::Confirm, Then::ListCredentials];
        assert_eq!(plan.then, expected);
    }
}
