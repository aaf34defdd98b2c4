//! The IAM calls that find, change and list access keys.
//!
//! Every call names the user. Without one IAM takes the user who *signed* the request, never the owner of the key:
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::StatusType;
use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{AwsError, AwsErrorKind, NO_SUCH_ENTITY, code, found, is_access_denied, message};
use crate::finding::{AccessKeyId, ForeignText, UserName};

/// IAM of one account.
#[derive(Clone, Debug)]
pub struct Iam {
    pub(super) client: Client,
    pub(super) sdk: SdkConfig,
}

/// Whether an access key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It is refused, and can be made to work again.
    Inactive,
}

/// IAM's answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// IAM confirmed it.
    Done,
    /// There is no such key, policy or principal.
    NoSuchEntity,
}

/// One key of a user, as IAM lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedKey {
    /// The access key ID.
    pub id: String,
    /// Its status in IAM's word.
    pub status: String,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
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
        let status = match status {
            KeyStatus::Active => StatusType::Active,
            KeyStatus::Inactive => StatusType::Inactive,
        };
        let request = self.client.update_access_key().user_name(user.as_str()).access_key_id(key.as_str());
        change("iam:UpdateAccessKey", request.status(status).send().boxed().await)
    }

    /// `iam:DeleteAccessKey`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that there is no such key.
    pub async fn delete(&self, user: &UserName, key: &AccessKeyId) -> Result<Change, AwsError> {
        let request = self.client.delete_access_key().user_name(user.as_str()).access_key_id(key.as_str());
        change("iam:DeleteAccessKey", request.send().boxed().await)
    }

    /// `iam:GetAccessKeyLastUsed`: whose key it is, or `None` when there is no such key in this account.
    ///
    /// IAM answers `AccessDenied` for a key that it does not know, with a message that ends at the key. A message that
    /// goes on to say which policy is in the way means that the role lacks the permission.
    ///
    /// # Errors
    /// When IAM did not answer the question, a missing permission included.
    pub async fn owner(&self, key: &AccessKeyId) -> Result<Option<UserName>, AwsError> {
        const CALL: &str = "iam:GetAccessKeyLastUsed";
        match self.client.get_access_key_last_used().access_key_id(key.as_str()).send().boxed().await {
            Ok(answer) => answer.user_name().and_then(UserName::new).map(Some).ok_or_else(|| AwsError {
                call: CALL,
                kind: AwsErrorKind::Failed,
                problem: ForeignText::new("IAM knows the key but names no user for it"),
            }),
            Err(error) if code(&error) == Some(NO_SUCH_ENTITY) => Ok(None),
            Err(error)
                if code(&error).is_some_and(is_access_denied) && !message(&error).is_some_and(blames_a_policy) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsError::new(CALL, &error)),
        }
    }

    /// `iam:ListAccessKeys`: the keys of a user; none when there is no such user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn keys(&self, user: &UserName) -> Result<KeyList, AwsError> {
        let answer = self.client.list_access_keys().user_name(user.as_str()).send().boxed().await;
        let Some(answer) = found("iam:ListAccessKeys", answer)? else {
            return Ok(KeyList::default());
        };
        let keys = answer.access_key_metadata().iter().filter_map(|key| {
            Some(ListedKey {
                id: key.access_key_id()?.to_owned(),
                status: key.status()?.as_str().to_owned(),
                created: key.create_date().and_then(|date| SystemTime::try_from(*date).ok()).map(DateTime::from),
            })
        });
        Ok(KeyList { keys: keys.collect(), truncated: answer.is_truncated() })
    }
}

/// What became of a change.
pub(super) fn change<T, E, R>(call: &'static str, answer: Result<T, SdkError<E, R>>) -> Result<Change, AwsError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    Ok(found(call, answer)?.map_or(Change::NoSuchEntity, |_| Change::Done))
}

/// The forms are those of <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>:
/// "because no identity-based policy allows …", "with an explicit deny in a service control policy".
fn blames_a_policy(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("because no ") || message.contains("explicit deny")
}

#[cfg(test)]
mod tests {
    use super::blames_a_policy;

    #[test]
    fn a_denial_that_names_a_policy_is_a_missing_permission() {
        let denied = "User: arn:aws:sts::123456789012:assumed-role/key-policy/f is not authorized to perform: \
                      iam:GetAccessKeyLastUsed on resource: access key AKIAIOSFODNN7EXAMPLE";
        for (rest, expected) in [
            ("", false),
            (" because no identity-based policy allows the iam:GetAccessKeyLastUsed action", true),
            (" because no permissions boundary allows the iam:GetAccessKeyLastUsed action", true),
            (" with an explicit deny in a service control policy", true),
        ] {
            assert_eq!(blames_a_policy(&format!("{denied}{rest}")), expected, "{rest}");
        }
    }
}
