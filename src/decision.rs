//! From a finding and the configuration to a plan, or to a reason not to act. Every gate is here and nowhere else,
//! but for the one that needs IAM's word: whose key it really is. The plan carries that one along.

use crate::config::{Action, Config, Containment, Exempt, RootKeys};
use crate::finding::{
    AccessKeyId, AccountId, Basis, Credential, Finding, Holder, Operation, Principal, RoleId, RoleName, UserName,
};
use crate::report::{self, Outcome};

/// What is to be done about a finding.
#[derive(Clone, Debug)]
pub enum Decision<'c> {
    /// Carry the plan out.
    Act(Plan<'c>),
    /// Leave the credential alone and report why.
    Leave(Outcome, String),
}

/// What is done in which account.
#[derive(Clone, Debug)]
pub struct Plan<'c> {
    /// The account whose IAM is asked.
    pub account: AccountId,
    /// What it is done to.
    pub target: Target<'c>,
    /// Ask IAM, but change nothing.
    pub dry_run: bool,
}

/// The kinds of credentials that something can be done about.
#[derive(Clone, Debug)]
pub enum Target<'c> {
    /// A long-term key of an IAM user.
    Key(KeyPlan<'c>),
    /// The sessions of a user or a role.
    Sessions(SessionsPlan<'c>),
    /// A long-term key of a member account's root user.
    RootKey(RootKeyPlan<'c>),
}

/// One operation on one key of an IAM user.
#[derive(Clone, Debug)]
pub struct KeyPlan<'c> {
    /// The key, and never another one.
    pub key: &'c AccessKeyId,
    /// The user that the event names.
    pub user: Option<&'c UserName>,
    /// What is done to the key.
    pub operation: Operation,
    /// What to do when IAM names another owner than the event.
    pub owner: OwnerRule<'c>,
    /// How much of the owner is contained after the key, or may have been and is released.
    pub containment: Containment,
}

/// The sessions of one principal.
#[derive(Clone, Debug)]
pub struct SessionsPlan<'c> {
    /// The temporary credentials that the event names.
    pub key: Option<&'c AccessKeyId>,
    /// Whose sessions they are.
    pub on: Principal,
    /// What the role's identifier has to be; always there when sessions of a role are ended.
    pub role_id: Option<RoleId>,
    /// How much of the principal is contained.
    pub containment: Containment,
    /// Whether what this function put on the principal is taken away instead.
    pub restores: bool,
}

/// The deletion of a root user's key.
#[derive(Clone, Debug)]
pub struct RootKeyPlan<'c> {
    /// The key, and never another one.
    pub key: &'c AccessKeyId,
}

/// What the user name of an event is worth when IAM says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum OwnerRule<'c> {
    /// A finding's user name is a hint: act on the key's own owner, unless EXEMPT protects that one.
    Follow(&'c Exempt),
    /// A command's user name is a condition: act on that user's key or not at all.
    Match,
}

/// Decides about one finding. `own` is the account that the function runs in.
pub fn decide<'c>(finding: &'c Finding, config: &'c Config, own: &AccountId) -> Decision<'c> {
    if let Some(reason) = below_a_gate(finding, config) {
        return Decision::Leave(Outcome::Ignored, reason);
    }
    if !matches!(finding.basis, Basis::Command(_))
        && let Some(name) = protected(&config.exempt, &finding.credential)
    {
        let reason =
            format!("EXEMPT protects {name}, so nothing was changed: a person must decide whether to contain it");
        return Decision::Leave(Outcome::Exempt, reason);
    }
    let account = finding.account.as_ref().unwrap_or(own);
    let target = match target(finding, config, account, own) {
        Ok(target) => target,
        Err(reason) => return Decision::Leave(Outcome::NeedsAttention, reason),
    };
    if let Some(reason) = out_of_bounds(account, &target, config, own) {
        let reason = format!("{reason}; nothing was changed. In account {account}, {}", by_hand(&finding.credential));
        return Decision::Leave(Outcome::NeedsAttention, reason);
    }
    Decision::Act(Plan { account: account.clone(), target, dry_run: config.dry_run })
}

/// What can be done about a credential, or what a person has to do about it.
fn target<'c>(
    finding: &'c Finding,
    config: &'c Config,
    account: &AccountId,
    own: &AccountId,
) -> Result<Target<'c>, String> {
    if finding.basis == Basis::Notice {
        return Err(noticed(&finding.credential));
    }
    match &finding.credential {
        Credential::UserKey { id, user } => Ok(Target::Key(KeyPlan {
            key: id,
            user: user.as_ref(),
            operation: operation(&finding.basis, config),
            owner: match finding.basis {
                Basis::Command(_) => OwnerRule::Match,
                _ => OwnerRule::Follow(&config.exempt),
            },
            containment: config.containment,
        })),
        Credential::RootKey { id } => match config.root_keys {
            RootKeys::Delete if account != own => Ok(Target::RootKey(RootKeyPlan { key: id })),
            _ => Err(root_key(id, account, own)),
        },
        Credential::Session { id, holder } => {
            let may_deny = config.containment != Containment::Key && !matches!(finding.basis, Basis::Command(_));
            let plan =
                if may_deny { sessions(Some(id), holder, config.containment) } else { Err(end_sessions(holder)) };
            plan.map_err(|reason| {
                format!("{id} belongs to temporary credentials, which cannot be deactivated: {reason}")
            })
        }
        Credential::Sessions { holder } => match principal(holder) {
            Some(on) => {
                let (key, role_id, containment) = (None, None, config.containment);
                Ok(Target::Sessions(SessionsPlan { key, on, role_id, containment, restores: true }))
            }
            None => Err("the command names neither a user nor a role".to_owned()),
        },
        Credential::Contradictory { id, contradiction } => Err(format!(
            "the event contradicts itself: {contradiction}; find out whose key {id} is and deactivate it by hand"
        )),
        Credential::Unidentified { given, holder } => {
            let given = given.as_ref().map_or_else(
                || "the event gives no access key ID".to_owned(),
                |given| format!("the event gives {given} where an access key ID should be"),
            );
            Err(format!("{given}: {}", find_by_hand(holder)))
        }
        Credential::None => Err("the event is not about a credential".to_owned()),
    }
}

/// Denying the sessions of a principal that is known well enough to be sure that it is the right one.
fn sessions<'c>(key: Option<&'c AccessKeyId>, holder: &Holder, containment: Containment) -> Result<Target<'c>, String> {
    if let Holder::Role { name: Some(role), .. } = holder
        && let Some(reserved) = role.reserved_by_name()
    {
        return Err(reserved.advice(role));
    }
    let role_id = match holder {
        Holder::Role { id, .. } => id.clone(),
        _ => None,
    };
    match principal(holder) {
        Some(Principal::Role(role)) if role_id.is_none() => Err(format!(
            "the event does not tell which role {role} it means, as it gives no principal ID: find it in CloudTrail and \
             revoke its active sessions in the IAM console"
        )),
        Some(on) => Ok(Target::Sessions(SessionsPlan { key, on, role_id, containment, restores: false })),
        None => Err(end_sessions(holder)),
    }
}

fn principal(holder: &Holder) -> Option<Principal> {
    match holder {
        Holder::User(user) => user.clone().map(Principal::User),
        Holder::Role { name, .. } => name.clone().map(Principal::Role),
        Holder::Root | Holder::Other(_) => None,
    }
}

fn operation(basis: &Basis, config: &Config) -> Operation {
    match (basis, config.action) {
        (Basis::Command(operation), _) => *operation,
        (_, Action::Deactivate) => Operation::Deactivate,
        (_, Action::Delete) => Operation::Delete,
    }
}

/// The gates that say that there is nothing to do.
fn below_a_gate(finding: &Finding, config: &Config) -> Option<String> {
    if finding.credential == Credential::None {
        return Some("the event is not about a credential".to_owned());
    }
    if let Some(inactive) = finding.inactive {
        return Some(format!("the finding is {inactive}"));
    }
    match &finding.basis {
        Basis::Detection { severity, kind } => {
            let (variable, minimum) = if kind.contains("AnomalousBehavior") {
                ("ANOMALY_MIN_SEVERITY", config.anomaly_min_severity)
            } else {
                ("MIN_SEVERITY", config.min_severity)
            };
            if !config.finding_types.select(kind) {
                return Some("FINDING_TYPES does not select this type of finding".to_owned());
            }
            (*severity < minimum).then(|| format!("severity {severity} is below {variable} {minimum}"))
        }
        Basis::Custom => {
            let source = finding.origin.source.as_str();
            let listed = config.custom_sources.iter().any(|custom| custom == source);
            (!listed).then(|| "CUSTOM_SOURCES does not list the source of this event".to_owned())
        }
        Basis::Report | Basis::Notice | Basis::Command(_) => None,
    }
}

/// A name or key that EXEMPT protects.
fn protected(exempt: &Exempt, credential: &Credential) -> Option<String> {
    let role = match credential.holder() {
        Some(Holder::Role { name, .. }) => name.as_ref().map(RoleName::as_str),
        _ => None,
    };
    let names = [credential.user().map(UserName::as_str), role, credential.key().map(AccessKeyId::as_str)];
    names.into_iter().flatten().find(|name| exempt.protects(name)).map(str::to_owned)
}

/// Why this function may not act in an account.
fn out_of_bounds(account: &AccountId, target: &Target<'_>, config: &Config, own: &AccountId) -> Option<String> {
    if !config.accounts.is_empty() && !config.accounts.contains(account) {
        return Some(format!("ACCOUNTS does not list account {account}"));
    }
    // A session of the root user is asked of STS directly; everything else needs a role in the account.
    let reachable = account == own || config.member_role.is_some() || matches!(target, Target::RootKey(_));
    (!reachable).then(|| format!("the credential is in account {account} and this function acts in account {own} only"))
}

fn noticed(credential: &Credential) -> String {
    match credential {
        Credential::Unidentified { holder, .. } => {
            format!("AWS reports a compromise but names no access key: {}", find_by_hand(holder))
        }
        other => format!("AWS reports a compromise; find out what was done and, if it was stolen, {}", by_hand(other)),
    }
}

fn root_key(key: &AccessKeyId, account: &AccountId, own: &AccountId) -> String {
    let other_way = if account == own { "" } else { ", or let ROOT_KEYS=delete do it through sts:AssumeRoot" };
    format!(
        "{key} is a key of the root user of account {account}, which only the root user can deactivate: sign in as root \
         and delete the key under Security credentials{other_way}"
    )
}

fn end_sessions(holder: &Holder) -> String {
    match holder {
        Holder::User(Some(user)) => format!(
            "deny user {user} everything until the sessions have expired, at most 36 hours after they began, or let \
             CONTAINMENT=sessions do it"
        ),
        Holder::User(None) => "find the user in CloudTrail and deny it everything until the sessions have expired, at \
                               most 36 hours after they began"
            .to_owned(),
        Holder::Role { name: Some(role), .. } => {
            format!("revoke the active sessions of role {role} in the IAM console, or let CONTAINMENT=sessions do it")
        }
        Holder::Role { name: None, .. } => {
            "find the role in CloudTrail and revoke its active sessions in the IAM console".to_owned()
        }
        Holder::Root => "it is a session of the root user, which no policy of the account can end: change the root \
                         user's password, delete its keys, and wait an hour"
            .to_owned(),
        Holder::Other(Some(name)) => format!("find in CloudTrail who issued them to {name}, and deny the issuer"),
        Holder::Other(None) => "find in CloudTrail who issued them, and deny the issuer".to_owned(),
    }
}

fn find_by_hand(holder: &Holder) -> String {
    match holder {
        Holder::User(Some(user)) => {
            format!("look at the keys of user {user} and at its console password, and deactivate what was stolen")
        }
        Holder::Role { name: Some(role), .. } => {
            format!("look at the sessions of role {role} and revoke them if they were stolen")
        }
        Holder::Root => "look at the root user's keys and password".to_owned(),
        Holder::Other(Some(name)) => format!("look at what {name} holds and revoke what was stolen"),
        Holder::User(None) | Holder::Role { name: None, .. } | Holder::Other(None) => {
            "read the finding and deactivate by hand what was stolen".to_owned()
        }
    }
}

/// How a person contains the credential.
fn by_hand(credential: &Credential) -> String {
    match (credential, credential.holder()) {
        (Credential::UserKey { id, user }, _) => report::by_hand(Operation::Deactivate, user.as_ref(), Some(id)),
        (_, Some(holder)) => end_sessions(holder),
        _ => "sign in as the root user and delete the key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Claim, ForeignText, Inactive, Origin, Severity};

    const OWN: &str = "123456789012";
    const OTHER: &str = "111122223333";

    fn config(variables: &[(&str, &str)]) -> Config {
        let lookup =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        Config::from_lookup(lookup).expect("valid")
    }

    fn finding(basis: Basis) -> Finding {
        let account = AccountId::new(OWN);
        let claim =
            Claim { key: Some("AKIAIOSFODNN7EXAMPLE"), user: Some("Bob"), user_type: Some("IAMUser"), principal: None };
        Finding {
            origin: Origin { source: ForeignText::new("com.example"), id: None, kind: None, severity: None },
            credential: claim.credential(account.as_ref()),
            account,
            basis,
            inactive: None,
        }
    }

    fn detection(kind: &str, severity: f64) -> Finding {
        let severity = Severity::new(severity).expect("valid");
        finding(Basis::Detection { severity, kind: kind.to_owned() })
    }

    /// The outcome of a finding that is left alone, or what would be done.
    fn decided(finding: &Finding, variables: &[(&str, &str)]) -> String {
        match decide(finding, &config(variables), &AccountId::new(OWN).expect("valid")) {
            Decision::Act(Plan { account, target: Target::Key(plan), .. }) => {
                format!("{:?} {} {account}", plan.operation, plan.key)
            }
            Decision::Act(plan) => format!("{plan:?}"),
            Decision::Leave(outcome, _) => outcome.to_string(),
        }
    }

    const ACT: &str = "Deactivate AKIAIOSFODNN7EXAMPLE 123456789012";

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
            (Basis::Report, &[("MIN_SEVERITY", "10"), ("FINDING_TYPES", "!*")][..], ACT),
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
        for inactive in [Inactive::Sample, Inactive::Archived, Inactive::Resolved] {
            let finding = Finding { inactive: Some(inactive), ..finding(Basis::Report) };
            assert_eq!(decided(&finding, &[]), "ignored", "{inactive}");
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
            let finding = Finding { account: account.and_then(AccountId::new), ..finding(Basis::Report) };
            assert_eq!(decided(&finding, variables), expected, "{account:?} {variables:?}");
        }
    }

    #[test]
    fn a_commands_operation_is_its_own_whatever_action_says() {
        for (operation, expected) in
            [(Operation::Deactivate, ACT), (Operation::Restore, "Restore AKIAIOSFODNN7EXAMPLE 123456789012")]
        {
            assert_eq!(decided(&finding(Basis::Command(operation)), &[("ACTION", "delete")]), expected);
        }
        assert_eq!(
            decided(&finding(Basis::Report), &[("ACTION", "delete")]),
            "Delete AKIAIOSFODNN7EXAMPLE 123456789012"
        );
    }
}
