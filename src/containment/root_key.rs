//! A key of a member account's root user. Nobody but the root user can deactivate it; from outside it can only be
//! deleted: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html>.

use super::{Attempt, at};
use crate::aws::accounts::Accounts;
use crate::aws::iam::Change;
use crate::failure::{Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, AccountId};
use crate::plan::Step;
use crate::record::{Done, Left, Record};

/// Deletes the key and lists the root user's keys to confirm it.
pub async fn delete(key: &AccessKeyId, account: &AccountId, record: &mut Record, accounts: &Accounts) -> Attempt {
    let step = Step::DeleteRootKey;
    record.begin(step);
    let root = accounts.root_of(account).await.map_err(at(step))?;
    let left = match root.delete(key).await.map_err(at(step))? {
        Change::Done => {
            record.done.push(Done::RootKeyDeleted);
            None
        }
        Change::NoSuchEntity => Some(Left::NoSuchRootKey),
    };
    record.begin(Step::Confirm);
    match (root.has(key).await.map_err(at(Step::Confirm)), &left) {
        (Ok(false), left) => record.confirmed = left.is_none(),
        (Ok(true), None) => {
            record.done.clear();
            return Err(Failed { step, cause: Cause::Disagreement(Disagreement::StillThere) });
        }
        (Ok(true), Some(_)) => {
            return Err(Failed { step, cause: Cause::Disagreement(Disagreement::DeniesTheKey) });
        }
        (Err(failed), _) => record.failed.push(failed),
    }
    Ok(left)
}
