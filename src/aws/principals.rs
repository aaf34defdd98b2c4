//! The IAM calls that deny a user or a role everything, or its older sessions, and that take such a deny away.

use super::accounts::caller;
use super::iam::{Change, Iam, change};
use super::partition::arn_partition;
use super::{call, found};
use crate::credential::Principal;
use crate::failure::{AwsError, AwsErrorKind};
use crate::names::{ForeignText, RoleId, RoleName, UserId, UserName};
use crate::record::OtherCredentials;

/// IAM's answer to putting a deny on a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// IAM confirmed it.
    Done,
    /// There is no such principal.
    NoSuchEntity,
    /// The principal has no space for it:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    QuotaFull,
    /// Only AWS may change the principal.
    Unmodifiable,
}

/// What IAM says of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its unique identifier; `None` where it has another form than IAM's.
    pub id: Option<RoleId>,
    /// The path, which tells roles that only AWS may change.
    pub path: String,
}

impl Iam {
    /// `iam:GetRole`; `None` when there is no such role.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn role(&self, role: &RoleName) -> Result<Option<RoleFacts>, AwsError> {
        let answer = found(call("iam:GetRole", self.client.get_role().role_name(role.as_str()).send()).await)?;
        let role = answer.as_ref().and_then(|answer| answer.role());
        Ok(role.map(|role| RoleFacts { id: RoleId::new(role.role_id()), path: role.path().to_owned() }))
    }

    /// `iam:GetUser`: the unique identifier of a user; `None` when there is no such user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn user_id(&self, user: &UserName) -> Result<Option<UserId>, AwsError> {
        const CALL: &str = "iam:GetUser";
        let answer = found(call(CALL, self.client.get_user().user_name(user.as_str()).send()).await)?;
        let id = answer.map(|answer| answer.user().map(|user| user.user_id().to_owned()).unwrap_or_default());
        let read = |id: String| UserId::new(&id).ok_or_else(|| AwsError::failed(CALL, "the answer holds no user ID"));
        id.map(read).transpose()
    }

    /// `sts:GetCallerIdentity`: the role that these calls are made as. It needs no permission.
    ///
    /// # Errors
    /// When STS does not answer, or does not say who calls.
    pub async fn own_role(&self) -> Result<Option<RoleId>, AwsError> {
        match caller(&self.sdk).await?.user_id() {
            Some(id) if !id.is_empty() => Ok(RoleId::of_session(id)),
            _ => Err(AwsError::failed("sts:GetCallerIdentity", "the answer holds no user ID")),
        }
    }

    /// `iam:PutUserPolicy` or `iam:PutRolePolicy`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn put_policy(&self, on: &Principal, name: &str, document: &str) -> Result<Put, AwsError> {
        match on {
            Principal::User(user) => {
                let request = self.client.put_user_policy().user_name(user.as_str()).policy_name(name);
                put(call("iam:PutUserPolicy", request.policy_document(document).send()).await)
            }
            Principal::Role(role) => {
                let request = self.client.put_role_policy().role_name(role.as_str()).policy_name(name);
                put(call("iam:PutRolePolicy", request.policy_document(document).send()).await)
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
                change(call("iam:DeleteUserPolicy", request.send()).await)
            }
            Principal::Role(role) => {
                let request = self.client.delete_role_policy().role_name(role.as_str()).policy_name(name);
                change(call("iam:DeleteRolePolicy", request.send()).await)
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
                found(call("iam:ListUserPolicies", pages.items().send().collect::<Result<_, _>>()).await)
            }
            Principal::Role(role) => {
                let pages = self.client.list_role_policies().role_name(role.as_str()).into_paginator();
                found(call("iam:ListRolePolicies", pages.items().send().collect::<Result<_, _>>()).await)
            }
        }
    }

    /// `iam:ListAttachedUserPolicies`: whether AWS's policy that denies everything is attached to a user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn is_denied_all(&self, user: &UserName) -> Result<bool, AwsError> {
        let pages = self.client.list_attached_user_policies().user_name(user.as_str()).into_paginator();
        let attached = pages.items().send().collect::<Result<Vec<_>, _>>();
        let attached = found(call("iam:ListAttachedUserPolicies", attached).await)?.unwrap_or_default();
        Ok(attached.iter().any(|policy| policy.policy_arn() == Some(&self.deny_all_arn())))
    }

    /// `iam:AttachUserPolicy` of AWS's policy that denies everything.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn attach_deny_all(&self, user: &UserName) -> Result<Put, AwsError> {
        let request = self.client.attach_user_policy().user_name(user.as_str()).policy_arn(self.deny_all_arn());
        put(call("iam:AttachUserPolicy", request.send()).await)
    }

    /// `iam:DetachUserPolicy` of AWS's policy that denies everything.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that it is not attached.
    pub async fn detach_deny_all(&self, user: &UserName) -> Result<Change, AwsError> {
        let request = self.client.detach_user_policy().user_name(user.as_str()).policy_arn(self.deny_all_arn());
        change(call("iam:DetachUserPolicy", request.send()).await)
    }

    /// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDenyAll.html>
    fn deny_all_arn(&self) -> String {
        format!("arn:{}:iam::aws:policy/AWSDenyAll", arn_partition(&self.sdk))
    }

    /// `iam:GetLoginProfile`, `iam:ListServiceSpecificCredentials`, `iam:ListSigningCertificates` and
    /// `iam:ListSSHPublicKeys`: what else a user can sign in with. What cannot be read is left out and pushed to `failed`.
    pub async fn other_credentials(&self, user: &UserName, failed: &mut Vec<AwsError>) -> OtherCredentials {
        let (name, client) = (user.as_str(), &self.client);
        let password = found(call("iam:GetLoginProfile", client.get_login_profile().user_name(name).send()).await);
        let services = client.list_service_specific_credentials().user_name(name);
        let services = call("iam:ListServiceSpecificCredentials", services.send()).await;
        let certificates = client.list_signing_certificates().user_name(name);
        let certificates = call("iam:ListSigningCertificates", certificates.send()).await;
        let ssh = call("iam:ListSSHPublicKeys", client.list_ssh_public_keys().user_name(name).send()).await;
        let services = services
            .map(|answer| texts(answer.service_specific_credentials(), |item| item.service_specific_credential_id()));
        let certificates = certificates.map(|answer| texts(answer.certificates(), |item| item.certificate_id()));
        let ssh = ssh.map(|answer| texts(answer.ssh_public_keys(), |item| item.ssh_public_key_id()));
        OtherCredentials {
            console_password: read(password, failed).map(|profile| profile.is_some()),
            service_specific_credentials: read(services, failed),
            signing_certificates: read(certificates, failed),
            ssh_public_keys: read(ssh, failed),
        }
    }
}

fn put<T>(answer: Result<T, AwsError>) -> Result<Put, AwsError> {
    match answer {
        Ok(_) => Ok(Put::Done),
        Err(AwsError { kind: AwsErrorKind::NoSuchEntity, .. }) => Ok(Put::NoSuchEntity),
        Err(AwsError { kind: AwsErrorKind::QuotaFull, .. }) => Ok(Put::QuotaFull),
        Err(AwsError { kind: AwsErrorKind::Unmodifiable, .. }) => Ok(Put::Unmodifiable),
        Err(error) => Err(error),
    }
}

fn texts<'t, T>(items: &'t [T], text: impl Fn(&'t T) -> &'t str) -> Vec<ForeignText> {
    items.iter().map(|item| ForeignText::new(text(item))).collect()
}

fn read<T>(answer: Result<T, AwsError>, failed: &mut Vec<AwsError>) -> Option<T> {
    answer.map_err(|error| failed.push(error)).ok()
}
