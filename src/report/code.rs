//! Stable names for everything that can be reported: alarms, filters and scripts depend on them and not on sentences.
//! `docs/reasons.md` lists them.

use crate::credential::{KeyStatus, Principal};
use crate::event::Unreadable;
use crate::failure::{Cause, Failed};
use crate::finding::NotInForce;
use crate::plan::{Measure, Step};
use crate::record::{Done, Left, Outcome, Record};

/// At every cold start.
pub const STARTED: &str = "started";

/// At a cold start, for an entry of `EXEMPT` that protects nobody any more.
pub const EXEMPTION_EXPIRED: &str = "exemption_expired";

/// Where an entry of `EXEMPT` protected a credential that soon protects nobody any more.
pub const EXEMPTION_ENDS: &str = "exemption_ends";

/// Where an invocation has more to tell than the log has space for.
pub const LINES_OMITTED: &str = "lines_omitted";

/// Those that stand in no row of the catalogue.
#[cfg(test)]
pub const ALONE: [&str; 4] = [STARTED, EXEMPTION_EXPIRED, EXEMPTION_ENDS, LINES_OMITTED];

/// The code of a result: why the credential was left alone, or else the last change to what the event names. `None` for
/// a credential of which nothing is known but that a step failed.
pub fn of_result(record: &Record) -> Option<&'static str> {
    match (record.outcome(), &record.left) {
        (Outcome::Failed, _) => None,
        (Outcome::Contested, _) => Some("contested"),
        (_, Some(left)) => Some(of_left(left)),
        (_, None) => record.done.iter().max_by_key(|done| rank(done)).map(of_done),
    }
}

/// A key counts for more than what was done to its owner beside it.
fn rank(done: &Done) -> u8 {
    match done {
        Done::KeyDeleted | Done::RootKeyDeleted => 2,
        Done::StatusSet(_) => 1,
        Done::Denied { .. } | Done::Lifted { .. } | Done::LiftedInPart { .. } | Done::NothingToLift { .. } => 0,
    }
}

fn of_done(done: &Done) -> &'static str {
    match done {
        Done::StatusSet(KeyStatus::Active) => "key_activated",
        Done::StatusSet(KeyStatus::Inactive | KeyStatus::Expired) => "key_deactivated",
        Done::KeyDeleted => "key_deleted",
        Done::RootKeyDeleted => "root_key_deleted",
        Done::Denied { measure: Measure::TemporaryCredentials | Measure::OlderSessions, .. } => "sessions_denied",
        Done::Denied { measure: Measure::Everything, on: Principal::User(_), .. } => "user_denied",
        Done::Denied { measure: Measure::Everything, on: Principal::Role(_), .. } => "role_denied",
        Done::Lifted { .. } | Done::LiftedInPart { .. } => "denies_lifted",
        Done::NothingToLift { .. } => "nothing_to_lift",
    }
}

fn of_left(left: &Left) -> &'static str {
    match left {
        Left::NoCredential => "no_credential",
        Left::NotInForce(NotInForce::Sample) => "sample",
        Left::NotInForce(NotInForce::Archived) => "archived",
        Left::NotInForce(NotInForce::Suppressed) => "suppressed",
        Left::NotInForce(NotInForce::Resolved) => "resolved",
        Left::NotInForce(NotInForce::OtherProduct) => "other_product",
        Left::TypeNotSelected { .. } => "type_not_selected",
        Left::BelowSeverity { .. } => "below_severity",
        Left::SourceNotListed => "source_not_listed",
        Left::Exempt { .. } => "exempt",
        Left::OwnerExempt { .. } => "owner_exempt",
        Left::OnlyReported => "only_reported",
        Left::RootKey { .. } => "root_key",
        Left::TemporaryCredentials { .. } => "temporary_credentials",
        Left::PrincipalUnknown(_) => "principal_unknown",
        Left::HoldersDiffer => "holders_differ",
        Left::Reserved(..) => "role_reserved",
        Left::Contradictory => "contradictory",
        Left::Unidentified => "no_key_id",
        Left::AccountUnreadable(_) => "account_unreadable",
        Left::AccountNotListed(_) => "account_not_listed",
        Left::AccountOutOfReach { .. } => "account_out_of_reach",
        Left::OwnerDiffers { .. } => "owner_differs",
        Left::NotEverywhere(_) => "not_everywhere",
        Left::IssuedElsewhere(_) => "issued_elsewhere",
        Left::GoneWithoutOwner(_) => "gone_without_owner",
        Left::NoSuchKey => "no_such_key",
        Left::NoSuchRootKey => "no_such_root_key",
        Left::NoSuchPrincipal => "no_such_principal",
        Left::PrincipalNotHere(_) => "principal_not_here",
        Left::PrincipalDiffers(_) => "principal_differs",
        Left::OwnRole(_) => "own_role",
        Left::QuotaFull(_) => "quota_full",
        Left::Unmodifiable(_) => "unmodifiable",
        Left::DryRun => "dry_run",
        Left::DryRunGone => "dry_run_gone",
        Left::NoSchedule => "no_schedule",
        Left::NotDue(_) => "not_due",
        Left::NotDeleting => "not_deleting",
        Left::ActiveAgain => "active_again",
    }
}

/// The step, and the kind of what went wrong.
pub fn of_failed(failed: &Failed) -> String {
    let step = match failed.step {
        Step::FindOwner => "find_owner",
        Step::SetStatus(KeyStatus::Active) => "activate_key",
        Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => "deactivate_key",
        Step::CheckPrincipal => "check_principal",
        Step::Deny(Measure::TemporaryCredentials | Measure::OlderSessions) => "deny_sessions",
        Step::Deny(Measure::Everything) => "deny_principal",
        Step::Lift => "lift_denies",
        Step::DeleteKey => "delete_key",
        Step::DeleteRootKey => "delete_root_key",
        Step::ListCredentials => "list_credentials",
        Step::ListLeftovers => "list_leftovers",
        Step::Confirm => "confirm",
        Step::DeactivateNewKey => "deactivate_new_key",
        Step::Look => "look",
        Step::ListPrincipals => "list_principals",
        Step::GatherEvidence => "gather_evidence",
        Step::MakeSchedule => "make_schedule",
        Step::ReadSchedule => "read_schedule",
        Step::RemoveSchedule => "remove_schedule",
    };
    let kind = match &failed.cause {
        Cause::Aws(_) if failed.is_not_permitted() => "not_permitted",
        Cause::Aws(_) => "failed",
        Cause::Disagreement(_) => "contradicted",
        Cause::NotDeployed(_) => "not_deployed",
        Cause::OutOfTime => "out_of_time",
    };
    format!("{step}_{kind}")
}

pub fn of_unreadable(kind: Unreadable) -> &'static str {
    match kind {
        Unreadable::Input => "input_unreadable",
        Unreadable::Envelope => "envelope_unreadable",
        Unreadable::Event => "event_unreadable",
        Unreadable::Rest => "rest_unreadable",
        Unreadable::Command => "command_refused",
        Unreadable::CommandsOff => "commands_off",
    }
}
