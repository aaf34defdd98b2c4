//! Whose credentials are used in which account.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_sdk_sts::types::{Credentials as StsCredentials, PolicyDescriptorType};

use super::call;
use super::iam::Iam;
use super::partition::arn_partition;
use super::root::RootIam;
use crate::failure::AwsError;
use crate::names::AccountId;

/// How long assumed credentials live, in seconds: the least that STS allows.
const SESSION_SECONDS: i32 = 900;

/// How long assumed credentials are used. They end two minutes later, so that no call starts with credentials that are about to expire.
const USED_FOR: Duration = Duration::from_mins(13);

/// IAM of the function's own account and, through the member role, of others.
#[derive(Debug)]
pub struct Accounts {
    sdk: SdkConfig,
    own: AccountId,
    own_iam: Iam,
    member_role: Option<String>,
    assumed: Mutex<HashMap<AccountId, Assumed>>,
}

#[derive(Clone, Debug)]
struct Assumed {
    iam: Iam,
    until: Instant,
}

impl Accounts {
    /// The account of the function's own credentials is `own`; `member_role` is the name of a role in the others.
    pub fn new(sdk: SdkConfig, own: AccountId, member_role: Option<String>) -> Self {
        let own_iam = Iam::new(&sdk, &own);
        Self { sdk, own, own_iam, member_role, assumed: Mutex::default() }
    }

    /// The account that the function runs in.
    pub fn own(&self) -> &AccountId {
        &self.own
    }

    /// IAM of an account. Assumed credentials are kept while the sandbox is warm.
    ///
    /// # Errors
    /// When the member role cannot be assumed.
    pub async fn iam(&self, account: &AccountId) -> Result<Iam, AwsError> {
        if *account == self.own {
            return Ok(self.own_iam.clone());
        }
        let known = self.assumed.lock().ok().and_then(|assumed| assumed.get(account).cloned());
        if let Some(assumed) = known.filter(|assumed| Instant::now() < assumed.until) {
            return Ok(assumed.iam);
        }
        let until = Instant::now() + USED_FOR;
        let iam = self.assume_member_role(account).await?;
        if let Ok(mut assumed) = self.assumed.lock() {
            assumed.insert(account.clone(), Assumed { iam: iam.clone(), until });
        }
        Ok(iam)
    }

    async fn assume_member_role(&self, account: &AccountId) -> Result<Iam, AwsError> {
        const CALL: &str = "sts:AssumeRole";
        let role = self.member_role.as_deref().unwrap_or_default();
        let request = aws_sdk_sts::Client::new(&self.sdk)
            .assume_role()
            .role_arn(format!("arn:{}:iam::{account}:role/{role}", arn_partition(&self.sdk)))
            .role_session_name(session_name())
            .duration_seconds(SESSION_SECONDS);
        let answer = call(CALL, request.send()).await?;
        Ok(Iam::new(&self.with(CALL, answer.credentials())?, account))
    }

    /// The keys of a member account's root user, through a session that can do nothing but delete credentials:
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html>. Only regional endpoints take the call.
    ///
    /// # Errors
    /// When the session is refused.
    pub async fn root_of(&self, account: &AccountId) -> Result<RootIam, AwsError> {
        const CALL: &str = "sts:AssumeRoot";
        let task = format!("arn:{}:iam::aws:policy/root-task/IAMDeleteRootUserCredentials", arn_partition(&self.sdk));
        let request = aws_sdk_sts::Client::new(&self.sdk)
            .assume_root()
            .target_principal(account.as_str())
            .task_policy_arn(PolicyDescriptorType::builder().arn(task).build())
            .duration_seconds(SESSION_SECONDS);
        let answer = call(CALL, request.send()).await?;
        Ok(RootIam::new(&self.with(CALL, answer.credentials())?))
    }

    fn with(&self, call: &'static str, credentials: Option<&StsCredentials>) -> Result<SdkConfig, AwsError> {
        let credentials = credentials.ok_or_else(|| AwsError::failed(call, "the answer holds no credentials"))?;
        let (key, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        let token = Some(credentials.session_token().to_owned());
        let provider = SharedCredentialsProvider::new(Credentials::new(key, secret, token, None, "sts"));
        Ok(self.sdk.to_builder().credentials_provider(provider).build())
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
    call(GET_CALLER_IDENTITY, aws_sdk_sts::Client::new(sdk).get_caller_identity().send()).await
}
