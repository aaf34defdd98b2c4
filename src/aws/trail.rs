//! CloudTrail's record of what a credential did, without a trail: the last 90 days of management events.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>

use std::time::SystemTime;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::config::{Builder, Region};
use aws_sdk_cloudtrail::primitives::DateTime as SdkDateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use chrono::{DateTime, Utc};

use super::call;
use super::iam::Iam;
use crate::evidence::TrailRecord;
use crate::failure::AwsError;
use crate::names::AccessKeyId;

/// CloudTrail of an account in one Region.
#[derive(Clone, Debug)]
pub struct Trail {
    client: Client,
}

/// Some records, newest first.
#[derive(Debug)]
pub struct Page {
    /// Those that can be read.
    pub records: Vec<TrailRecord>,
    /// Whether all could be read.
    pub is_whole: bool,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Iam {
    /// CloudTrail of the same account. Its calls are not tried again: they are asked for in a rhythm of their own.
    pub fn trail(&self, region: &str) -> Trail {
        let config = Builder::from(&self.sdk).region(Region::new(region.to_owned()));
        Trail { client: Client::from_conf(config.retry_config(RetryConfig::disabled()).build()) }
    }
}

impl Trail {
    /// `cloudtrail:LookupEvents` of the calls that a credential made; `None` while there are too many requests.
    ///
    /// # Errors
    /// When CloudTrail did not answer the question.
    pub async fn of(
        &self,
        key: &AccessKeyId,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        page: Option<String>,
    ) -> Result<Option<Page>, AwsError> {
        const CALL: &str = "cloudtrail:LookupEvents";
        let attribute =
            LookupAttribute::builder().attribute_key(LookupAttributeKey::AccessKeyId).attribute_value(key.as_str());
        let attribute = attribute.build().map_err(|error| AwsError::failed(CALL, &error.to_string()))?;
        let request = self.client.lookup_events().lookup_attributes(attribute).set_next_token(page);
        let request = request.start_time(sdk_time(from)).end_time(sdk_time(to)).max_results(50);
        let answer = match call(CALL, request.send()).await {
            Err(error) if error.problem.as_str().starts_with("Throttling") => return Ok(None),
            answer => answer?,
        };
        let given = answer.events().len();
        let texts = answer.events().iter().filter_map(|event| event.cloud_trail_event());
        let records: Vec<_> = texts.filter_map(TrailRecord::read).collect();
        let is_whole = records.len() == given;
        Ok(Some(Page { records, is_whole, next: answer.next_token().map(str::to_owned) }))
    }
}

fn sdk_time(time: DateTime<Utc>) -> SdkDateTime {
    SdkDateTime::from(SystemTime::from(time))
}
