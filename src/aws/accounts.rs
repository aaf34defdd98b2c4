//! Which account the function acts in.

use aws_config::SdkConfig;

use super::{AwsError, AwsErrorKind};
use crate::finding::{AccountId, ForeignText};

/// Asks STS for the account of the function's own credentials. It needs no permission:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>.
///
/// # Errors
/// When STS does not answer.
pub async fn own_account(sdk: &SdkConfig) -> Result<AccountId, AwsError> {
    const CALL: &str = "sts:GetCallerIdentity";
    let answer = aws_sdk_sts::Client::new(sdk).get_caller_identity().send().await;
    let identity = answer.map_err(|error| AwsError::new(CALL, &error))?;
    identity.account().and_then(AccountId::new).ok_or_else(|| AwsError {
        call: CALL,
        kind: AwsErrorKind::Failed,
        problem: ForeignText::new("the answer holds no account ID"),
    })
}
