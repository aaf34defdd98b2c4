//! The member role's credentials in one account: kept while they are good, by the clock on the wall, since the other one
//! stands still while Lambda freezes the sandbox; and made anew once when IAM refuses them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_sts::config::{Credentials, IdentityCache, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;

use super::call;
use super::retries::{self, code};
use crate::failure::AwsError;

/// How long assumed credentials live, in seconds: the least that STS allows.
pub(super) const SESSION_SECONDS: i32 = 900;

/// No call starts with credentials that are about to expire.
const BEFORE_THE_END: Duration = Duration::from_mins(2);

/// How long a refusal of credentials that were made because of a refusal is final: it is not the credentials.
const FINAL: Duration = Duration::from_mins(1);

/// The role of one account.
#[derive(Debug)]
pub(super) struct AssumedRole {
    sts: aws_sdk_sts::Client,
    arn: String,
    session_name: String,
    session: Mutex<Option<Session>>,
    /// Held while new credentials are asked for, so that many calls ask once.
    asking: tokio::sync::Mutex<()>,
}

/// Credentials, and until when they are used.
#[derive(Clone, Debug)]
struct Session {
    credentials: Credentials,
    until: SystemTime,
    /// When IAM refused the ones before.
    renewed: Option<SystemTime>,
    /// Whether IAM has refused these.
    refused: bool,
}

impl AssumedRole {
    pub(super) fn new(sdk: &SdkConfig, arn: String, session_name: String) -> Arc<Self> {
        Arc::new(Self {
            sts: retries::sts(sdk),
            arn,
            session_name,
            session: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// The configuration of clients that use the role.
    pub(super) fn of(self: &Arc<Self>, sdk: &SdkConfig) -> SdkConfig {
        let provider = SharedCredentialsProvider::new(Provider(Arc::clone(self)));
        sdk.to_builder().credentials_provider(provider).identity_cache(IdentityCache::no_cache()).build()
    }

    /// Good credentials.
    ///
    /// # Errors
    /// When the role cannot be assumed.
    pub(super) async fn credentials(&self) -> Result<Credentials, AwsError> {
        const CALL: &str = "sts:AssumeRole";
        if let Some(known) = self.known(SystemTime::now()) {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known(SystemTime::now()) {
            return Ok(known);
        }
        let request = self.sts.assume_role().role_arn(&self.arn).role_session_name(&self.session_name);
        let answer = call(CALL, request.duration_seconds(SESSION_SECONDS).send()).await?;
        let credentials = super::credentials(CALL, answer.credentials())?;
        let renewed = self.session().as_ref().filter(|session| session.refused).map(|_| SystemTime::now());
        let until = until(SystemTime::now(), credentials.expiry());
        *self.session() = Some(Session { credentials: credentials.clone(), until, renewed, refused: false });
        Ok(credentials)
    }

    fn known(&self, now: SystemTime) -> Option<Credentials> {
        let session = self.session();
        session
            .as_ref()
            .filter(|session| !session.refused && now < session.until)
            .map(|session| session.credentials.clone())
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives credentials up that IAM refused. Whether another try with others makes sense.
    fn give_up(&self, access_key: &str, now: SystemTime) -> bool {
        let mut session = self.session();
        let Some(session) = session.as_mut() else { return true };
        if session.credentials.access_key_id() != access_key {
            // They were renewed while the call was on its way.
            return true;
        }
        let is_final = session.renewed.is_some_and(|renewed| now.duration_since(renewed).unwrap_or_default() < FINAL);
        session.refused |= !is_final;
        !is_final
    }
}

/// Until when credentials are used that expire at a time.
fn until(now: SystemTime, expiry: Option<SystemTime>) -> SystemTime {
    let latest = now + Duration::from_secs(SESSION_SECONDS.unsigned_abs().into());
    expiry.map_or(latest, |expiry| expiry.min(latest)) - BEFORE_THE_END
}

#[derive(Debug)]
struct Provider(Arc<AssumedRole>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async { self.0.credentials().await.map_err(CredentialsError::provider_error) })
    }
}

/// Has a call that IAM refused for its credentials repeated once with others.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Arc<AssumedRole>);

impl ClassifyRetry for Refused {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_refused = match code(context) {
            Some("ExpiredToken" | "InvalidClientTokenId") => true,
            // IAM answers a question about an unknown key in this way, which is no refusal.
            Some("AccessDenied") => !is_about_a_key(context),
            _ => false,
        };
        let signer = signer(context).filter(|_| is_refused);
        match signer {
            Some(signer) if self.0.give_up(signer, SystemTime::now()) => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "Refused"
    }
}

fn is_about_a_key(context: &InterceptorContext) -> bool {
    let body = context.response().and_then(|answer| answer.body().bytes()).unwrap_or_default();
    String::from_utf8_lossy(body).contains("on resource: access key ")
}

/// The access key ID with which a call was signed.
fn signer(context: &InterceptorContext) -> Option<&str> {
    let signature = context.request()?.headers().get("authorization")?;
    signature.split_once("Credential=")?.1.split('/').next()
}
