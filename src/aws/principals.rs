//! The IAM calls that deny a user or a role everything, or its older sessions, and that take such a deny away.

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use futures_util::FutureExt;
use serde::Serialize;

use super::accounts::caller;
use super::iam::{Change, Iam, change};
use super::partition::arn_partition;
use super::{AwsError, NO_SUCH_ENTITY, code, found};
use crate::finding::{ForeignText, Principal, RoleId, RoleName, UserName};

/// IAM's answer to putting a deny on a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// IAM confirmed it.
    Done,
    /// There is no such principal.
    NoSuchEntity,
    /// The principal has no room for it:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    QuotaFull,
    /// Only AWS may change the principal.
    Unmodifiable,
}

/// What IAM says of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its unique identifier.
    pub id: String,
    /// The path, which tells roles that only AWS may change.
    pub path: String,
}

/// What else a user can sign in with. These are listed for a person and left alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherCredentials {
    /// Whether the user has a console password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_password: Option<bool>,
    /// Their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_specific_credentials: Option<Vec<ForeignText>>,
    /// Their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_certificates: Option<Vec<ForeignText>>,
    /// Their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_public_keys: Option<Vec<ForeignText>>,
}

impl Iam {
    /// `iam:GetRole`; `None` when there is no such role.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn role(&self, role: &RoleName) -> Result<Option<RoleFacts>, AwsError> {
        let answer = found("iam:GetRole", self.client.get_role().role_name(role.as_str()).send().boxed().await)?;
        let role = answer.as_ref().and_then(|answer| answer.role());
        Ok(role.map(|role| RoleFacts { id: role.role_id().to_owned(), path: role.path().to_owned() }))
    }

    /// `sts:GetCallerIdentity`: the role that these calls are made as. It needs no permission.
    ///
    /// # Errors
    /// When STS does not answer.
    pub async fn own_role(&self) -> Result<Option<RoleId>, AwsError> {
        Ok(caller(&self.sdk).await?.user_id().and_then(RoleId::of_session))
    }

    /// `iam:PutUserPolicy` or `iam:PutRolePolicy`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn put_policy(&self, on: &Principal, name: &str, document: &str) -> Result<Put, AwsError> {
        match on {
            Principal::User(user) => {
                let request = self.client.put_user_policy().user_name(user.as_str()).policy_name(name);
                put("iam:PutUserPolicy", request.policy_document(document).send().boxed().await)
            }
            Principal::Role(role) => {
                let request = self.client.put_role_policy().role_name(role.as_str()).policy_name(name);
                put("iam:PutRolePolicy", request.policy_document(document).send().boxed().await)
            }
        }
    }

    /// `iam:DeleteUserPolicy` or `iam:DeleteRolePolicy`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that there is no such policy.
    pub async fn delete_policy(&self, on: &Principal, name: &str) -> Result<Change, AwsError> {
        match on {
            Principal::User(user) => {
                let request = self.client.delete_user_policy().user_name(user.as_str()).policy_name(name);
                change("iam:DeleteUserPolicy", request.send().boxed().await)
            }
            Principal::Role(role) => {
                let request = self.client.delete_role_policy().role_name(role.as_str()).policy_name(name);
                change("iam:DeleteRolePolicy", request.send().boxed().await)
            }
        }
    }

    /// `iam:ListUserPolicies` or `iam:ListRolePolicies`: the names of all inline policies; `None` when there is no such
    /// principal.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn policies(&self, on: &Principal) -> Result<Option<Vec<String>>, AwsError> {
        match on {
            Principal::User(user) => {
                let pages = self.client.list_user_policies().user_name(user.as_str()).into_paginator();
                found("iam:ListUserPolicies", pages.items().send().collect::<Result<_, _>>().boxed().await)
            }
            Principal::Role(role) => {
                let pages = self.client.list_role_policies().role_name(role.as_str()).into_paginator();
                found("iam:ListRolePolicies", pages.items().send().collect::<Result<_, _>>().boxed().await)
            }
        }
    }

    /// `iam:ListAttachedUserPolicies`: whether AWS's policy that denies everything is attached to a user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn is_denied_all(&self, user: &UserName) -> Result<bool, AwsError> {
        let pages = self.client.list_attached_user_policies().user_name(user.as_str()).into_paginator();
        let attached = pages.items().send().collect::<Result<Vec<_>, _>>().boxed().await;
        let attached = found("iam:ListAttachedUserPolicies", attached)?.unwrap_or_default();
        Ok(attached.iter().any(|policy| policy.policy_arn() == Some(&self.deny_all_arn())))
    }

    /// `iam:AttachUserPolicy` of AWS's policy that denies everything.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn attach_deny_all(&self, user: &UserName) -> Result<Put, AwsError> {
        let request = self.client.attach_user_policy().user_name(user.as_str()).policy_arn(self.deny_all_arn());
        put("iam:AttachUserPolicy", request.send().boxed().await)
    }

    /// `iam:DetachUserPolicy` of AWS's policy that denies everything.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that it is not attached.
    pub async fn detach_deny_all(&self, user: &UserName) -> Result<Change, AwsError> {
        let request = self.client.detach_user_policy().user_name(user.as_str()).policy_arn(self.deny_all_arn());
        change("iam:DetachUserPolicy", request.send().boxed().await)
    }

    /// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDenyAll.html>
    fn deny_all_arn(&self) -> String {
        format!("arn:{}:iam::aws:policy/AWSDenyAll", arn_partition(&self.sdk))
    }

    /// `iam:GetLoginProfile`, `iam:ListServiceSpecificCredentials`, `iam:ListSigningCertificates` and
    /// `iam:ListSSHPublicKeys`: what else a user can sign in with. What cannot be read is left out and logged.
    pub async fn other_credentials(&self, user: &UserName) -> OtherCredentials {
        let name = user.as_str();
        let client = &self.client;
        let password = match client.get_login_profile().user_name(name).send().boxed().await {
            Err(error) if code(&error) == Some(NO_SUCH_ENTITY) => Some(false),
            answer => read("iam:GetLoginProfile", user, answer).map(|_| true),
        };
        let services = client.list_service_specific_credentials().user_name(name).send().boxed().await;
        let certificates = client.list_signing_certificates().user_name(name).send().boxed().await;
        let ssh = client.list_ssh_public_keys().user_name(name).send().boxed().await;
        OtherCredentials {
            console_password: password,
            service_specific_credentials: read("iam:ListServiceSpecificCredentials", user, services).map(|answer| {
                texts(answer.service_specific_credentials(), |item| item.service_specific_credential_id())
            }),
            signing_certificates: read("iam:ListSigningCertificates", user, certificates)
                .map(|answer| texts(answer.certificates(), |item| item.certificate_id())),
            ssh_public_keys: read("iam:ListSSHPublicKeys", user, ssh)
                .map(|answer| texts(answer.ssh_public_keys(), |item| item.ssh_public_key_id())),
        }
    }
}

fn put<T, E, R>(call: &'static str, answer: Result<T, SdkError<E, R>>) -> Result<Put, AwsError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let Err(error) = answer else { return Ok(Put::Done) };
    match code(&error) {
        Some(NO_SUCH_ENTITY) => Ok(Put::NoSuchEntity),
        Some("LimitExceeded") => Ok(Put::QuotaFull),
        Some("UnmodifiableEntity") => Ok(Put::Unmodifiable),
        _ => Err(AwsError::new(call, &error)),
    }
}

fn texts<'t, T>(items: &'t [T], text: impl Fn(&'t T) -> &'t str) -> Vec<ForeignText> {
    items.iter().map(|item| ForeignText::new(text(item))).collect()
}

fn read<T, E, R>(call: &'static str, user: &UserName, answer: Result<T, SdkError<E, R>>) -> Option<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let answer = answer.map_err(|error| AwsError::new(call, &error));
    answer.inspect_err(|error| tracing::warn!(user_name = %user, "could not list other credentials: {error}")).ok()
}
