//! The IAM calls that find, change and list access keys.
//!
//! Every call names the user. Without one IAM takes the user who *signed* the request, never the owner of the key:
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::StatusType;
use chrono::{DateTime, Utc};

use super::{call, found};
use crate::credential::KeyStatus;
use crate::failure::{AwsError, AwsErrorKind};
use crate::names::{AccessKeyId, UserName};
use crate::record::ListedKey;

/// IAM of one account.
#[derive(Clone, Debug)]
pub struct Iam {
    pub(super) client: Client,
    pub(super) sdk: SdkConfig,
}

/// IAM's answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// IAM confirmed it.
    Done,
    /// There is no such key, policy or principal.
    NoSuchEntity,
}

/// The keys of a user. Quotas allow two: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyList {
    /// In IAM's order.
    pub keys: Vec<ListedKey>,
    /// Whether there are more than IAM put into its one answer.
    pub truncated: bool,
}

impl Iam {
    /// IAM of the account whose credentials `sdk` holds.
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk), sdk: sdk.clone() }
    }

    /// `iam:UpdateAccessKey`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that there is no such key.
    pub async fn set_status(&self, user: &UserName, key: &AccessKeyId, status: KeyStatus) -> Result<Change, AwsError> {
        let request = self.client.update_access_key().user_name(user.as_str()).access_key_id(key.as_str());
        let request = request.status(StatusType::from(status.to_string().as_str()));
        change(call("iam:UpdateAccessKey", request.send()).await)
    }

    /// `iam:DeleteAccessKey`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that there is no such key.
    pub async fn delete(&self, user: &UserName, key: &AccessKeyId) -> Result<Change, AwsError> {
        let request = self.client.delete_access_key().user_name(user.as_str()).access_key_id(key.as_str());
        change(call("iam:DeleteAccessKey", request.send()).await)
    }

    /// `iam:GetAccessKeyLastUsed`: whose key it is, or `None` when there is no such key in this account.
    ///
    /// # Errors
    /// When IAM did not answer the question, a missing permission included.
    pub async fn owner(&self, key: &AccessKeyId) -> Result<Option<UserName>, AwsError> {
        let request = self.client.get_access_key_last_used().access_key_id(key.as_str());
        match call(LAST_USED, request.send()).await {
            Ok(answer) => match answer.user_name().and_then(UserName::new) {
                Some(owner) => Ok(Some(owner)),
                None => Err(AwsError::failed(LAST_USED, "IAM knows the key but names no user for it")),
            },
            Err(AwsError { kind: AwsErrorKind::NoSuchEntity | AwsErrorKind::UnknownKey, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `iam:ListAccessKeys`: the keys of a user; none when there is no such user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn keys(&self, user: &UserName) -> Result<KeyList, AwsError> {
        let answer = call("iam:ListAccessKeys", self.client.list_access_keys().user_name(user.as_str()).send()).await;
        let Some(answer) = found(answer)? else {
            return Ok(KeyList::default());
        };
        let keys = answer.access_key_metadata().iter().filter_map(|key| {
            Some(ListedKey {
                id: key.access_key_id().and_then(AccessKeyId::new)?,
                status: KeyStatus::of(key.status()?.as_str()),
                created: key.create_date().and_then(|date| SystemTime::try_from(*date).ok()).map(DateTime::<Utc>::from),
            })
        });
        Ok(KeyList { keys: keys.collect(), truncated: answer.is_truncated() })
    }
}

/// What became of a change.
pub(super) fn change<T>(answer: Result<T, AwsError>) -> Result<Change, AwsError> {
    Ok(found(answer)?.map_or(Change::NoSuchEntity, |_| Change::Done))
}

const LAST_USED: &str = "iam:GetAccessKeyLastUsed";

/// IAM answers `AccessDenied` for a key that it does not know, with a message that ends at the key. A message that goes
/// on to say which policy is in the way means that the role lacks the permission.
///
/// The forms are those of <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>:
/// "because no identity-based policy allows …", "with an explicit deny in a service control policy".
pub(super) fn is_about_an_unknown_key(call: &str, denial: &str) -> bool {
    let denial = denial.to_ascii_lowercase();
    call == LAST_USED && !denial.contains("because no ") && !denial.contains("explicit deny")
}

#[cfg(test)]
mod tests {
    use super::{LAST_USED, is_about_an_unknown_key};

    #[test]
    fn a_denial_that_names_a_policy_is_a_missing_permission() {
        let denied = "User: arn:aws:sts::123456789012:assumed-role/key-policy/f is not authorized to perform: \
                      iam:GetAccessKeyLastUsed on resource: access key AKIAIOSFODNN7EXAMPLE";
        for (rest, expected) in [
            ("", true),
            (" because no identity-based policy allows the iam:GetAccessKeyLastUsed action", false),
            (" because no permissions boundary allows the iam:GetAccessKeyLastUsed action", false),
            (" with an explicit deny in a service control policy", false),
        ] {
            assert_eq!(is_about_an_unknown_key(LAST_USED, &format!("{denied}{rest}")), expected, "{rest}");
            assert!(!is_about_an_unknown_key("iam:UpdateAccessKey", &format!("{denied}{rest}")));
        }
    }
}
