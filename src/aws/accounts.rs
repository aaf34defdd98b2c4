//! Whose credentials are used in which account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_sts::config::SharedCredentialsProvider;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_sdk_sts::types::PolicyDescriptorType;

use super::assumed::{AssumedRole, SESSION_SECONDS};
use super::iam::Iam;
use super::partition::arn_partition;
use super::root::RootIam;
use super::{call, credentials, retries};
use crate::failure::AwsError;
use crate::names::AccountId;

/// IAM of the function's own account and, through the member role, of others.
#[derive(Debug)]
pub struct Accounts {
    sdk: SdkConfig,
    own: AccountId,
    own_iam: Iam,
    member_role: Option<String>,
    members: Mutex<HashMap<AccountId, Member>>,
}

/// A member account.
#[derive(Clone, Debug)]
struct Member {
    role: Arc<AssumedRole>,
    iam: Iam,
}

impl Accounts {
    /// The account of the function's own credentials is `own`; `member_role` is the name of a role in the others.
    pub fn new(sdk: SdkConfig, own: AccountId, member_role: Option<String>) -> Self {
        let own_iam = Iam::new(&sdk, &own);
        Self { sdk, own, own_iam, member_role, members: Mutex::default() }
    }

    /// The account that the function runs in.
    pub fn own(&self) -> &AccountId {
        &self.own
    }

    /// Whether IAM of an account can be asked.
    pub fn has_a_way_into(&self, account: &AccountId) -> bool {
        *account == self.own || self.member_role.is_some()
    }

    /// IAM of an account.
    ///
    /// # Errors
    /// When the member role cannot be assumed.
    pub async fn iam(&self, account: &AccountId) -> Result<Iam, AwsError> {
        if *account == self.own {
            return Ok(self.own_iam.clone());
        }
        let Member { role, iam } = self.member(account);
        role.credentials().await?;
        Ok(iam)
    }

    fn member(&self, account: &AccountId) -> Member {
        let new = || {
            let (partition, role) = (arn_partition(&self.sdk), self.member_role.as_deref().unwrap_or_default());
            let arn = format!("arn:{partition}:iam::{account}:role/{role}");
            let role = AssumedRole::new(&self.sdk, arn, session_name());
            Member { iam: Iam::through(&role, &self.sdk, account), role }
        };
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.entry(account.clone()).or_insert_with(new).clone()
    }

    /// The keys of a member account's root user, through a session that can do nothing but delete credentials:
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html>. Only regional endpoints take the call.
    ///
    /// # Errors
    /// When the session is refused.
    pub async fn root_of(&self, account: &AccountId) -> Result<RootIam, AwsError> {
        const CALL: &str = "sts:AssumeRoot";
        let task = format!("arn:{}:iam::aws:policy/root-task/IAMDeleteRootUserCredentials", arn_partition(&self.sdk));
        let request = retries::sts(&self.sdk)
            .assume_root()
            .target_principal(account.as_str())
            .task_policy_arn(PolicyDescriptorType::builder().arn(task).build())
            .duration_seconds(SESSION_SECONDS);
        let answer = call(CALL, request.send()).await?;
        let provider = SharedCredentialsProvider::new(credentials(CALL, answer.credentials())?);
        Ok(RootIam::new(&self.sdk.to_builder().credentials_provider(provider).build()))
    }
}

/// The name under which CloudTrail shows the session: that of the function.
fn session_name() -> String {
    let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)).take(64).collect();
    if name.len() < 2 { "key-remediator".to_owned() } else { name }
}

/// Asks STS for the account of the function's own credentials.
///
/// # Errors
/// When STS does not answer.
pub async fn own_account(sdk: &SdkConfig) -> Result<AccountId, AwsError> {
    let account = caller(sdk).await?.account().and_then(AccountId::new);
    account.ok_or_else(|| AwsError::failed(GET_CALLER_IDENTITY, "the answer holds no account ID"))
}

const GET_CALLER_IDENTITY: &str = "sts:GetCallerIdentity";

/// Whose the credentials are. It needs no permission:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>.
pub(super) async fn caller(sdk: &SdkConfig) -> Result<GetCallerIdentityOutput, AwsError> {
    call(GET_CALLER_IDENTITY, retries::sts(sdk).get_caller_identity().send()).await
}
