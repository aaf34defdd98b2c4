//! The IAM calls that find, change and list access keys.
//!
//! Every call names the user. Without one IAM takes the user who *signed* the request, never the owner of the key:
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::operation::list_access_keys::ListAccessKeysOutput;
use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};

use super::assumed::AssumedRole;
use super::newcomers::time;
use super::{Refusal, call, found, or_refusal, sound};
use crate::credential::KeyStatus;
use crate::failure::{AwsError, AwsErrorKind};
use crate::names::{AccessKeyId, AccountId, ForeignText, UserName};
use crate::record::{LastUsed, ListedKey};

/// IAM of one account.
#[derive(Clone, Debug)]
pub struct Iam {
    pub(super) client: Client,
    pub(super) sdk: SdkConfig,
    pub(super) account: AccountId,
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
    /// IAM of an account, whose credentials `sdk` holds.
    pub(super) fn new(sdk: &SdkConfig, account: &AccountId) -> Self {
        Self { client: sound::client(sdk), sdk: sdk.clone(), account: account.clone() }
    }

    /// IAM of an account through a role in it.
    pub(super) fn through(role: &Arc<AssumedRole>, sdk: &SdkConfig, account: &AccountId) -> Self {
        let sdk = role.of(sdk);
        Self { client: sound::client_of(role, &sdk), sdk, account: account.clone() }
    }

    /// The account whose IAM it is.
    pub fn account(&self) -> &AccountId {
        &self.account
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
        const CALL: &str = "iam:GetAccessKeyLastUsed";
        let request = self.client.get_access_key_last_used().access_key_id(key.as_str());
        match or_refusal(CALL, request.send()).await {
            Ok(answer) => match answer.user_name().and_then(UserName::new) {
                Some(owner) => Ok(Some(owner)),
                None => Err(AwsError::failed(CALL, "IAM knows the key but names no user for it")),
            },
            Err(refusal) if is_about_an_unknown_key(&refusal, key) => Ok(None),
            Err(refusal) => Err(refusal.error),
        }
    }

    /// `iam:GetAccessKeyLastUsed`: when a key was used last; `None` when it never was, or is not there.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn last_used(&self, key: &AccessKeyId) -> Result<Option<LastUsed>, AwsError> {
        let request = self.client.get_access_key_last_used().access_key_id(key.as_str());
        let answer = match or_refusal("iam:GetAccessKeyLastUsed", request.send()).await {
            Err(refusal) if is_about_an_unknown_key(&refusal, key) => return Ok(None),
            answer => answer.map_err(|refusal| refusal.error)?,
        };
        Ok(answer.access_key_last_used().and_then(|last| {
            let [service, region] = [last.service_name(), last.region()].map(ForeignText::new);
            Some(LastUsed { at: last.last_used_date().and_then(time)?, service, region })
        }))
    }

    /// `iam:ListAccessKeys`: the keys of a user; `None` when there is no such user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn keys(&self, user: &UserName) -> Result<Option<KeyList>, AwsError> {
        const CALL: &str = "iam:ListAccessKeys";
        let answer = call(CALL, self.client.list_access_keys().user_name(user.as_str()).send()).await;
        let Some(answer) = found(answer)? else {
            return Ok(None);
        };
        let listed = answer.access_key_metadata();
        let of_another = |name: &str| UserName::new(name).is_none_or(|name| !name.is(user));
        if listed.iter().filter_map(|key| key.user_name()).any(of_another) {
            return Err(AwsError::failed(CALL, "the answer holds another user's keys"));
        }
        Ok(Some(KeyList::of(&answer)))
    }
}

impl KeyList {
    /// A key that cannot be read may be the one that is looked for: then the list is not whole.
    pub(super) fn of(answer: &ListAccessKeysOutput) -> Self {
        let listed = answer.access_key_metadata();
        let read = |key: &AccessKeyMetadata| {
            Some(ListedKey {
                id: key.access_key_id().and_then(AccessKeyId::new)?,
                status: KeyStatus::of(key.status()?.as_str()),
                created: key.create_date().and_then(time),
            })
        };
        let keys: Vec<_> = listed.iter().filter_map(read).collect();
        let truncated = answer.is_truncated() || keys.len() < listed.len();
        Self { keys, truncated }
    }
}

/// What became of a change.
pub(super) fn change<T>(answer: Result<T, AwsError>) -> Result<Change, AwsError> {
    Ok(found(answer)?.map_or(Change::NoSuchEntity, |_| Change::Done))
}

/// IAM answers `AccessDenied` for a key that it does not know, with a message that ends in that key ID. Every other denial
/// means that the role lacks the permission: it goes on to say which policy is in the way, or says nothing of a key.
fn is_about_an_unknown_key(Refusal { error, message }: &Refusal, key: &AccessKeyId) -> bool {
    match error.kind {
        AwsErrorKind::NoSuchEntity => true,
        AwsErrorKind::MissingPermission if error.problem.as_str().starts_with("AccessDenied:") => {
            message.trim_end().ends_with(&format!("iam:GetAccessKeyLastUsed on resource: access key {key}"))
        }
        AwsErrorKind::MissingPermission
        | AwsErrorKind::QuotaFull
        | AwsErrorKind::Unmodifiable
        | AwsErrorKind::ExplicitlyDenied
        | AwsErrorKind::Failed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_denial_that_ends_in_the_key_says_that_there_is_no_such_key() {
        let key = AccessKeyId::new("AKIAIOSFODNN7EXAMPLE").expect("valid");
        let denied = "User: arn:aws:sts::123456789012:assumed-role/key-policy/f is not authorized to perform: \
                      iam:GetAccessKeyLastUsed on resource: access key";
        for (message, expected) in [
            (format!("{denied} {key}"), true),
            (format!("{denied} {key} because no identity-based policy allows it"), false),
            (format!("{denied} {key} with an explicit deny in a service control policy"), false),
            (format!("{denied} AKIAI44QH8DHBEXAMPLE"), false),
            (format!("{denied} *"), false),
            (format!("Cannot assume access key {key}"), false),
            ("Access denied.".to_owned(), false),
            (String::new(), false),
        ] {
            for (code, is_iams) in [("AccessDenied", true), ("AccessDeniedException", false)] {
                let problem = format!("{code}: {message}");
                let error = AwsError { kind: AwsErrorKind::MissingPermission, ..AwsError::failed("x", &problem) };
                let refusal = Refusal { error, message: message.clone() };
                assert_eq!(is_about_an_unknown_key(&refusal, &key), expected && is_iams, "{problem}");
            }
        }
    }
}
