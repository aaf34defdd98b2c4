//! The IAM calls that tell which users and roles are new in an account: whoever held a stolen key may have made them.

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

/// How many of each are told: in an account that makes more a person has to look anyway.
const MOST: usize = 20;

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
                let errors = [of_users, of_roles].into_iter().filter_map(Result::err);
                failed.extend(errors.inspect(|_| new.partial = true));
            }
            Err(_) => new.partial = true,
        }
        new.partial |= users.len() > MOST || new.roles.len() > MOST;
        users.truncate(MOST);
        new.roles.truncate(MOST);
        for (name, created) in users {
            let keys = match UserName::new(&name) {
                Some(user) => timeout_at(deadline, self.keys(&user)).await.ok(),
                None => None,
            };
            let keys = match keys {
                Some(Ok(keys)) => keys.unwrap_or_default().keys.into_iter().map(|key| key.id).collect(),
                Some(Err(error)) => {
                    new.partial = true;
                    failed.push(error);
                    Vec::new()
                }
                None => {
                    new.partial = true;
                    Vec::new()
                }
            };
            new.users.push(NewUser { name: ForeignText::new(&name), created, keys });
        }
        new
    }

    async fn new_users(&self, since: DateTime<Utc>, found: &mut Vec<(String, DateTime<Utc>)>) -> Result<(), AwsError> {
        let mut pages = self.client.list_users().into_paginator().page_size(PAGE).send();
        let all = async {
            while let Some(page) = pages.try_next().await? {
                let new = page
                    .users()
                    .iter()
                    .filter_map(|user| Some((user.user_name().to_owned(), time(user.create_date())?)));
                found.extend(new.filter(|(_, created)| *created >= since));
            }
            Ok(())
        };
        call("iam:ListUsers", all).await
    }

    async fn new_roles(&self, since: DateTime<Utc>, found: &mut Vec<NewRole>) -> Result<(), AwsError> {
        let mut pages = self.client.list_roles().into_paginator().page_size(PAGE).send();
        let all = async {
            while let Some(page) = pages.try_next().await? {
                let new = page.roles().iter().filter_map(|role| {
                    Some(NewRole { name: ForeignText::new(role.role_name()), created: time(role.create_date())? })
                });
                found.extend(new.filter(|role| role.created >= since));
            }
            Ok(())
        };
        call("iam:ListRoles", all).await
    }
}

pub(super) fn time(given: &SdkDateTime) -> Option<DateTime<Utc>> {
    SystemTime::try_from(*given).ok().map(DateTime::from)
}
