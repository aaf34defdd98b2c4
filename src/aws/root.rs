//! The keys of a member account's root user. A type of its own, because these calls must name no user, and every other
//! call must.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use futures_util::FutureExt;

use super::AwsError;
use super::iam::{Change, change};
use crate::finding::AccessKeyId;

/// IAM as the root user of one account sees it.
#[derive(Clone, Debug)]
pub struct RootIam {
    client: Client,
}

impl RootIam {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }

    /// `iam:DeleteAccessKey` of a key of the root user.
    ///
    /// # Errors
    /// When IAM neither confirmed the deletion nor said that there is no such key.
    pub async fn delete(&self, key: &AccessKeyId) -> Result<Change, AwsError> {
        change("iam:DeleteAccessKey", self.client.delete_access_key().access_key_id(key.as_str()).send().boxed().await)
    }

    /// `iam:ListAccessKeys`: whether the root user has the key.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn has(&self, key: &AccessKeyId) -> Result<bool, AwsError> {
        let listed = self.client.list_access_keys().send().boxed().await;
        let listed = listed.map_err(|error| AwsError::new("iam:ListAccessKeys", &error))?;
        Ok(listed.access_key_metadata().iter().any(|listed| listed.access_key_id() == Some(key.as_str())))
    }
}
