//! A key of a member account's root user. Nobody but the root user can deactivate it; from outside it can only be
//! deleted: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html>.

use super::{Applied, Cause};
use crate::aws::accounts::Accounts;
use crate::aws::iam::Change;
use crate::decision::RootKeyPlan;
use crate::finding::AccountId;
use crate::report::{Finished, Outcome};

/// Deletes the key and lists the root user's keys to confirm it.
///
/// # Errors
/// When the session is refused, or IAM did not confirm that the key is gone.
pub async fn apply(
    plan: &RootKeyPlan<'_>,
    account: &AccountId,
    dry_run: bool,
    accounts: &Accounts,
) -> Result<Applied, Cause> {
    let key = plan.key;
    if dry_run {
        let reason = format!("DRY_RUN: access key {key} of the root user of account {account} would have been deleted");
        return Ok(Applied::Left(Outcome::Planned, reason));
    }
    let root = accounts.root_of(account).await?;
    let deleted = root.delete(key).await?;
    if root.has(key).await? {
        return Err(Cause::Contradiction("IAM answered the deletion but lists the key"));
    }
    Ok(match deleted {
        Change::Done => Applied::RootKeyDeleted,
        Change::NoSuchEntity => Applied::Left(
            Outcome::NotFound,
            format!("the root user of account {account} has no access key {key}: it was deleted, or never was there"),
        ),
    })
}

/// The report on a key that was deleted.
pub fn finished() -> Finished {
    let mut finished = Finished::new(Outcome::Contained, "the root user's access key was deleted".to_owned());
    finished.confirmed = true;
    finished
}
