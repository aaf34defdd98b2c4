//! The keys of a member account's root user. A type of its own, because these calls must name no user, and every other
//! call must.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;

use super::iam::{Change, KeyList, change};
use super::{call, sound};
use crate::failure::AwsError;
use crate::names::AccessKeyId;

/// IAM as the root user of one account sees it.
#[derive(Clone, Debug)]
pub struct RootIam {
    client: Client,
}

impl RootIam {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { client: sound::client(sdk) }
    }

    /// `iam:DeleteAccessKey` of a key of the root user.
    ///
    /// # Errors
    /// When IAM neither confirmed the deletion nor said that there is no such key.
    pub async fn delete(&self, key: &AccessKeyId) -> Result<Change, AwsError> {
        let request = self.client.delete_access_key().access_key_id(key.as_str());
        change(call("iam:DeleteAccessKey", request.send()).await)
    }

    /// `iam:ListAccessKeys`: the keys of the root user.
    ///
    /// # Errors
    /// When IAM did not answer the question.
    pub async fn keys(&self) -> Result<KeyList, AwsError> {
        let listed = call("iam:ListAccessKeys", self.client.list_access_keys().send()).await?;
        Ok(KeyList::of(&listed))
    }
}
