//! The IAM calls that tell which users and roles are new in an account: whoever held a stolen key may have made them.

use std::cmp::Reverse;
use std::time::SystemTime;

use aws_sdk_iam::primitives::DateTime as SdkDateTime;
use chrono::{DateTime, Utc};
use futures_util::future::join;
use tokio::time::{Instant, timeout_at};

use super::call;
use super::iam::Iam;
use crate::failure::AwsError;
use crate::names::{ForeignText, UserName};
use crate::record::{NewPrincipals, NewRole, NewUser};

/// The largest page of IAM: an account may have 5,000 users and 5,000 roles.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>
const PAGE: i32 = 1_000;

/// How many of each are kept, and of how many users the keys are read: in an account that makes more a person has to look
/// anyway.
const MOST: usize = 200;
const MOST_WITH_KEYS: usize = 20;

impl Iam {
    /// `iam:ListUsers`, `iam:ListRoles`, and `iam:ListAccessKeys` of each new user: what was made since then. What could
    /// not be read until the deadline is left out, and pushed to `failed` if it was refused.
    pub async fn new_principals(
        &self,
        since: DateTime<Utc>,
        deadline: Instant,
        failed: &mut Vec<AwsError>,
    ) -> NewPrincipals {
        let mut new = NewPrincipals::default();
        let mut users = Vec::new();
        let read = join(self.new_users(since, &mut users), self.new_roles(since, &mut new.roles));
        match timeout_at(deadline, read).await {
            Ok((of_users, of_roles)) => {
                for read in [of_users, of_roles] {
                    new.partial |= !read.map_err(|error| failed.push(error)).unwrap_or_default();
                }
            }
            Err(_) => new.partial = true,
        }
        new.partial |= users.len() > MOST || new.roles.len() > MOST;
        // The newest first: those are the likeliest.
        users.sort_by_key(|(_, created)| Reverse(*created));
        new.roles.sort_by_key(|role| Reverse(role.created));
        users.truncate(MOST);
        new.roles.truncate(MOST);
        for (index, (name, created)) in users.into_iter().enumerate() {
            let read = match UserName::new(&name).filter(|_| index < MOST_WITH_KEYS) {
                Some(user) => timeout_at(deadline, self.keys(&user)).await.ok(),
                None => None,
            };
            let keys = read.and_then(|read| read.map_err(|error| failed.push(error)).ok());
            new.partial |= keys.is_none();
            let keys = keys.flatten().unwrap_or_default().keys.into_iter().map(|key| key.id).collect();
            new.users.push(NewUser { name: ForeignText::new(&name), created, keys });
        }
        new
    }

    /// Whether all users could be read.
    async fn new_users(
        &self,
        since: DateTime<Utc>,
        found: &mut Vec<(String, DateTime<Utc>)>,
    ) -> Result<bool, AwsError> {
        let mut pages = self.client.list_users().into_paginator().page_size(PAGE).send();
        let all = async {
            let (mut is_whole, mut has_dates) = (true, true);
            while let Some(page) = pages.try_next().await? {
                // The paginator also ends where IAM gives no marker, or the same again.
                is_whole = !page.is_truncated();
                for user in page.users() {
                    match date(user.create_date()) {
                        Some(created) if created < since => {}
                        Some(created) => found.push((user.user_name().to_owned(), created)),
                        None => has_dates = false,
                    }
                }
            }
            Ok(is_whole && has_dates)
        };
        call("iam:ListUsers", all).await
    }

    /// The same of roles.
    async fn new_roles(&self, since: DateTime<Utc>, found: &mut Vec<NewRole>) -> Result<bool, AwsError> {
        let mut pages = self.client.list_roles().into_paginator().page_size(PAGE).send();
        let all = async {
            let (mut is_whole, mut has_dates) = (true, true);
            while let Some(page) = pages.try_next().await? {
                is_whole = !page.is_truncated();
                for role in page.roles() {
                    match date(role.create_date()) {
                        Some(created) if created < since => {}
                        Some(created) => found.push(NewRole { name: ForeignText::new(role.role_name()), created }),
                        None => has_dates = false,
                    }
                }
            }
            Ok(is_whole && has_dates)
        };
        call("iam:ListRoles", all).await
    }
}

/// The SDK takes the beginning of all times for a date that is missing.
fn date(given: &SdkDateTime) -> Option<DateTime<Utc>> {
    time(given).filter(|date| *date > DateTime::UNIX_EPOCH)
}

pub(super) fn time(given: &SdkDateTime) -> Option<DateTime<Utc>> {
    SystemTime::try_from(*given).ok().map(DateTime::from)
}
