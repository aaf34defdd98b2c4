//! The IAM calls that deny a user or a role everything, or its sessions, and that take such a deny away.

use chrono::{DateTime, Utc};

use super::accounts::caller;
use super::cutoff;
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

/// The policies that the stack of each account makes, with groups of the same names that carry them. Their content is
/// fixed, so that a role that may attach them can grant nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyPolicy {
    /// Denies everything.
    All,
    /// Denies all temporary credentials.
    Temporary,
}

impl DenyPolicy {
    /// The name of the policy and of the group. Names are unique in an account whatever their path.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "key-remediator-deny-all",
            Self::Temporary => "key-remediator-deny-temporary",
        }
    }
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

    /// `iam:GetUser` or `iam:GetRole`: whether there is such a principal.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn has(&self, principal: &Principal) -> Result<bool, AwsError> {
        match principal {
            Principal::User(user) => {
                let answer = call("iam:GetUser", self.client.get_user().user_name(user.as_str()).send()).await;
                Ok(found(answer)?.is_some())
            }
            Principal::Role(role) => Ok(self.role(role).await?.is_some()),
        }
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

    /// `iam:AttachUserPolicy` or `iam:AttachRolePolicy`. That it is attached already is no error.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn attach(&self, policy: DenyPolicy, to: &Principal) -> Result<Put, AwsError> {
        let arn = self.arn(policy);
        match to {
            Principal::User(user) => {
                let request = self.client.attach_user_policy().user_name(user.as_str()).policy_arn(arn);
                put(call("iam:AttachUserPolicy", request.send()).await)
            }
            Principal::Role(role) => {
                let request = self.client.attach_role_policy().role_name(role.as_str()).policy_arn(arn);
                put(call("iam:AttachRolePolicy", request.send()).await)
            }
        }
    }

    /// `iam:DetachUserPolicy` or `iam:DetachRolePolicy`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that it is not attached.
    pub async fn detach(&self, policy: DenyPolicy, from: &Principal) -> Result<Change, AwsError> {
        let arn = self.arn(policy);
        match from {
            Principal::User(user) => {
                let request = self.client.detach_user_policy().user_name(user.as_str()).policy_arn(arn);
                change(call("iam:DetachUserPolicy", request.send()).await)
            }
            Principal::Role(role) => {
                let request = self.client.detach_role_policy().role_name(role.as_str()).policy_arn(arn);
                change(call("iam:DetachRolePolicy", request.send()).await)
            }
        }
    }

    /// `iam:AddUserToGroup`: the group that carries a policy.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn add_to_group(&self, policy: DenyPolicy, user: &UserName) -> Result<Put, AwsError> {
        let request = self.client.add_user_to_group().group_name(policy.name()).user_name(user.as_str());
        put(call("iam:AddUserToGroup", request.send()).await)
    }

    /// `iam:RemoveUserFromGroup`: the group that carries a policy.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that the user is not in it.
    pub async fn remove_from_group(&self, policy: DenyPolicy, user: &UserName) -> Result<Change, AwsError> {
        let request = self.client.remove_user_from_group().group_name(policy.name()).user_name(user.as_str());
        change(call("iam:RemoveUserFromGroup", request.send()).await)
    }

    /// `iam:ListGroupsForUser`: the names of the groups of a user; `None` when there is no such user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn groups(&self, user: &UserName) -> Result<Option<Vec<String>>, AwsError> {
        let pages = self.client.list_groups_for_user().user_name(user.as_str()).into_paginator();
        let groups = found(call("iam:ListGroupsForUser", pages.items().send().collect::<Result<Vec<_>, _>>()).await)?;
        Ok(groups.map(|groups| groups.into_iter().map(|group| group.group_name).collect()))
    }

    /// `iam:ListAttachedUserPolicies` or `iam:ListAttachedRolePolicies`: whether a policy is attached to a principal.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn has_attached(&self, policy: DenyPolicy, to: &Principal) -> Result<bool, AwsError> {
        let attached = match to {
            Principal::User(user) => {
                let pages = self.client.list_attached_user_policies().user_name(user.as_str()).into_paginator();
                call("iam:ListAttachedUserPolicies", pages.items().send().collect::<Result<Vec<_>, _>>()).await
            }
            Principal::Role(role) => {
                let pages = self.client.list_attached_role_policies().role_name(role.as_str()).into_paginator();
                call("iam:ListAttachedRolePolicies", pages.items().send().collect::<Result<Vec<_>, _>>()).await
            }
        };
        let attached = found(attached)?.unwrap_or_default();
        Ok(attached.iter().any(|attached| attached.policy_arn() == Some(&self.arn(policy))))
    }

    fn arn(&self, policy: DenyPolicy) -> String {
        let partition = arn_partition(&self.sdk);
        format!("arn:{partition}:iam::{}:policy/key-remediator/{}", self.account, policy.name())
    }

    /// `iam:PutRolePolicy` of a document that denies the sessions of a role that were issued until it is sent.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor gave one of the answers of [`Put`].
    pub async fn deny_older_sessions(&self, role: &RoleName, name: &str) -> Result<Put, AwsError> {
        let request = self.client.put_role_policy().role_name(role.as_str()).policy_name(name);
        let request = request.policy_document(cutoff::document()).customize().interceptor(cutoff::WhenSent);
        put(call("iam:PutRolePolicy", request.send()).await)
    }

    /// `iam:GetRolePolicy`: whether a role has the document of this name, as this function wrote it at that time or later.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn denies_older_sessions(
        &self,
        role: &RoleName,
        name: &str,
        since: DateTime<Utc>,
    ) -> Result<bool, AwsError> {
        let request = self.client.get_role_policy().role_name(role.as_str()).policy_name(name);
        let answer = found(call("iam:GetRolePolicy", request.send()).await)?;
        Ok(answer.is_some_and(|answer| cutoff::is_ours(answer.policy_document(), since)))
    }

    /// `iam:DeleteRolePolicy`.
    ///
    /// # Errors
    /// When IAM neither confirmed the change nor said that there is no such policy.
    pub async fn delete_policy(&self, role: &RoleName, name: &str) -> Result<Change, AwsError> {
        let request = self.client.delete_role_policy().role_name(role.as_str()).policy_name(name);
        change(call("iam:DeleteRolePolicy", request.send()).await)
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
