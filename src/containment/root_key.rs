//! A key of a member account's root user. Nobody but the root user can deactivate it; from outside it can only be
//! deleted: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html>.

use chrono::Utc;

use super::{Attempt, at, key};
use crate::aws::accounts::Accounts;
use crate::aws::iam::Change;
use crate::failure::{Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, AccountId};
use crate::plan::Step;
use crate::record::{Done, Left, Record};

/// Deletes the key and lists the root user's keys to confirm it.
pub async fn delete(id: &AccessKeyId, account: &AccountId, record: &mut Record, accounts: &Accounts) -> Attempt {
    let step = Step::DeleteRootKey;
    record.begin(step);
    let root = accounts.root_of(account).await.map_err(at(step))?;
    let left = match root.delete(id).await.map_err(at(step))? {
        Change::Done => {
            record.done.push(Done::RootKeyDeleted);
            None
        }
        Change::NoSuchEntity => Some(Left::NoSuchRootKey),
    };
    record.begin(Step::Confirm);
    let listed = match root.keys().await {
        Ok(listed) => listed,
        Err(error) => {
            record.failed.push(at(Step::Confirm)(error));
            return Ok(left);
        }
    };
    let seen = key::seen(id, listed, Utc::now());
    match (&seen.key, &left) {
        (Some(_), None) => {
            record.done.clear();
            return Err(Failed { step, cause: Cause::Disagreement(Disagreement::StillThere) });
        }
        (Some(_), Some(_)) => return Err(Failed { step, cause: Cause::Disagreement(Disagreement::DeniesTheKey) }),
        (None, None) => {
            record.confirmed = seen.complete;
            record.seen = Some(seen);
        }
        (None, Some(_)) => {}
    }
    Ok(left)
}
