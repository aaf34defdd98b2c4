//! The schedules by which this function invokes itself later, kept by EventBridge Scheduler.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/Welcome.html>

use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::BuildError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{call, retries};
use crate::config::Schedules;
use crate::failure::AwsError;
use crate::schedule::{expression, time_of};

/// The schedules of this function.
#[derive(Debug)]
pub struct Scheduler {
    sdk: SdkConfig,
    kept: Schedules,
    client: OnceLock<Client>,
}

/// A schedule that is there.
#[derive(Debug)]
pub struct Planned {
    /// For when it is.
    pub time: DateTime<Utc>,
    /// What it invokes the function with.
    pub input: Option<Value>,
}

impl Scheduler {
    /// A client is made when it is first needed.
    pub fn new(sdk: SdkConfig, kept: Schedules) -> Self {
        Self { sdk, kept, client: OnceLock::new() }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = aws_sdk_scheduler::config::Builder::from(&self.sdk);
            Client::from_conf(config.retry_partition(retries::partition()).build())
        })
    }

    /// `scheduler:CreateSchedule`, and `scheduler:UpdateSchedule` of one whose time has passed. One that is still to come
    /// stands. For when it is then.
    ///
    /// # Errors
    /// When there is no schedule afterwards.
    pub async fn make(
        &self,
        name: &str,
        at: DateTime<Utc>,
        function: &str,
        input: &Value,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, AwsError> {
        const CREATE: &str = "scheduler:CreateSchedule";
        const UPDATE: &str = "scheduler:UpdateSchedule";
        let unusable = |error: BuildError| AwsError::failed(CREATE, &error.to_string());
        let queue = self.kept.queue_arn.as_deref().map(|arn| DeadLetterConfig::builder().arn(arn).build());
        let target = Target::builder().arn(function).role_arn(&self.kept.role_arn).input(input.to_string());
        let target = target.set_dead_letter_config(queue).build().map_err(unusable)?;
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(unusable)?;
        let request = self.client().create_schedule().name(name).group_name(&self.kept.group);
        let request = request.schedule_expression(expression(at)).target(target.clone());
        let request = request.flexible_time_window(window.clone()).action_after_completion(ActionAfterCompletion::None);
        match call(CREATE, request.send()).await {
            Err(error) if is(&error, "ConflictException") => {}
            made => return made.map(|_| at),
        }
        if let Some(planned) = self.get(name).await?.filter(|planned| planned.time > now) {
            return Ok(planned.time);
        }
        let request = self.client().update_schedule().name(name).group_name(&self.kept.group);
        let request = request.schedule_expression(expression(at)).target(target);
        let request = request.flexible_time_window(window).action_after_completion(ActionAfterCompletion::None);
        call(UPDATE, request.send()).await.map(|_| at)
    }

    /// `scheduler:GetSchedule`; `None` when there is none.
    ///
    /// # Errors
    /// When the question was not answered.
    pub async fn get(&self, name: &str) -> Result<Option<Planned>, AwsError> {
        const CALL: &str = "scheduler:GetSchedule";
        let request = self.client().get_schedule().name(name).group_name(&self.kept.group);
        match call(CALL, request.send()).await {
            Err(error) if is(&error, "ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => match answer.schedule_expression().and_then(time_of) {
                Some(time) => {
                    let input = answer.target().and_then(|target| target.input());
                    Ok(Some(Planned { time, input: input.and_then(|input| serde_json::from_str(input).ok()) }))
                }
                None => Err(AwsError::failed(CALL, "the answer holds no time")),
            },
        }
    }

    /// `scheduler:DeleteSchedule`. That there is none is no error.
    ///
    /// # Errors
    /// When it may still be there.
    pub async fn remove(&self, name: &str) -> Result<(), AwsError> {
        let request = self.client().delete_schedule().name(name).group_name(&self.kept.group);
        match call("scheduler:DeleteSchedule", request.send()).await {
            Err(error) if is(&error, "ResourceNotFoundException") => Ok(()),
            removed => removed.map(|_| ()),
        }
    }
}

fn is(error: &AwsError, code: &str) -> bool {
    error.problem.as_str().starts_with(code)
}
