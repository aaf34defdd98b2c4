//! The member role's credentials in one account: kept while they are good, by the clock on the wall, since the other one
//! stands still while Lambda freezes the sandbox; and made anew once when IAM refuses them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_iam::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut};
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_sdk_sts::config::{Credentials, IdentityCache, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use tokio::time::timeout;

use super::call;
use super::retries::{self, error_code};
use crate::failure::AwsError;

/// How long assumed credentials live, in seconds: the least that STS allows.
pub(super) const SESSION_SECONDS: i32 = 900;

/// No call starts with credentials that are about to expire.
const BEFORE_THE_END: Duration = Duration::from_mins(2);

/// The role of one account.
#[derive(Debug)]
pub(super) struct AssumedRole {
    sts: aws_sdk_sts::Client,
    arn: String,
    session_name: String,
    known: Mutex<Known>,
    /// Held while new credentials are asked for, so that many calls ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    session: Option<Session>,
    /// The calls for which the session was made anew already: what is refused again is a permission that is missing.
    lacking: HashSet<String>,
}

/// Credentials, and until when they are used.
#[derive(Clone, Debug)]
struct Session {
    credentials: Credentials,
    until: SystemTime,
    trust: Trust,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Good,
    /// IAM refused a call for want of a permission: because the session was revoked, or because nobody has the permission.
    Doubted,
    /// IAM does not take these credentials any more.
    Refused,
}

impl AssumedRole {
    pub(super) fn new(sdk: &SdkConfig, arn: String, session_name: String) -> Arc<Self> {
        Arc::new(Self {
            sts: retries::sts(sdk),
            arn,
            session_name,
            known: Mutex::default(),
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
        if let Some(good) = self.known().with(Trust::Good, SystemTime::now()) {
            return Ok(good);
        }
        let _asking = self.asking.lock().await;
        let (good, doubted) = {
            let known = self.known();
            let now = SystemTime::now();
            (known.with(Trust::Good, now), known.with(Trust::Doubted, now))
        };
        match (good, doubted) {
            (Some(good), _) => Ok(good),
            (None, None) => {
                let credentials = self.assume().await?;
                self.known().lacking.clear();
                Ok(credentials)
            }
            (None, Some(doubted)) => {
                if let Ok(Ok(credentials)) = timeout(FOR_A_DOUBT, self.assume()).await {
                    return Ok(credentials);
                }
                self.known().trust(Trust::Good);
                Ok(doubted)
            }
        }
    }

    async fn assume(&self) -> Result<Credentials, AwsError> {
        const CALL: &str = "sts:AssumeRole";
        let request = self.sts.assume_role().role_arn(&self.arn).role_session_name(&self.session_name);
        let answer = call(CALL, request.duration_seconds(SESSION_SECONDS).send()).await?;
        let credentials = super::credentials(CALL, answer.credentials())?;
        let until = until(SystemTime::now(), credentials.expiry());
        self.known().session = Some(Session { credentials: credentials.clone(), until, trust: Trust::Good });
        Ok(credentials)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Credentials that are not over.
    fn with(&self, trust: Trust, now: SystemTime) -> Option<Credentials> {
        let session = self.session.as_ref().filter(|session| session.trust == trust && now < session.until);
        session.map(|session| session.credentials.clone())
    }

    fn trust(&mut self, trust: Trust) {
        if let Some(session) = self.session.as_mut() {
            session.trust = trust;
        }
    }

    /// Takes note of a call that IAM refused. Whether another try with other credentials makes sense.
    fn refused(&mut self, access_key: &str, call: &str, trust: Trust) -> bool {
        let is_known = |session: &&Session| session.credentials.access_key_id() == access_key;
        let Some(session) = self.session.as_ref().filter(is_known) else {
            // They were renewed while the call was on its way.
            return true;
        };
        if session.trust == Trust::Good && trust == Trust::Doubted && !self.lacking.insert(call.to_owned()) {
            return false;
        }
        if session.trust != Trust::Refused {
            self.trust(trust);
        }
        true
    }
}

/// For how long other credentials are waited for while those that are known may be good: other keys depend on them.
const FOR_A_DOUBT: Duration = Duration::from_secs(3);

/// Until when credentials are used that expire at a time. One that is over already tells of a wrong clock.
fn until(now: SystemTime, expiry: Option<SystemTime>) -> SystemTime {
    let latest = now + Duration::from_secs(SESSION_SECONDS.unsigned_abs().into());
    expiry.filter(|expiry| *expiry > now).map_or(latest, |expiry| expiry.min(latest)) - BEFORE_THE_END
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

/// The access key ID with which the last attempt of a call was signed.
#[derive(Debug)]
struct Signer(String);

/// A call that has been repeated.
#[derive(Debug)]
struct Repeated;

impl Storable for Signer {
    type Storer = StoreReplace<Self>;
}

impl Storable for Repeated {
    type Storer = StoreReplace<Self>;
}

/// Tells the classifier of an answer what is known of the call, which it does not see.
const REPEAT: &str = "key-remediator-repeat";

impl Intercept for Refused {
    fn name(&self) -> &'static str {
        "Refused"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signature = context.request().headers().get("authorization").unwrap_or_default();
        let signer = signature.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        config.interceptor_state().store_put(Signer(signer.unwrap_or_default().to_owned()));
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(answer) = context.response_mut() else { return Ok(()) };
        let signer = config.load::<Signer>().map_or("", |Signer(signer)| signer);
        let call = config.load::<Metadata>().map_or("", Metadata::name);
        if answer.status().is_success() {
            self.0.known().lacking.remove(call);
            return Ok(());
        }
        let trust = match error_code(answer) {
            Some("ExpiredToken" | "InvalidClientTokenId") => Trust::Refused,
            // IAM answers a question about an unknown key in this way, which is no refusal.
            Some("AccessDenied") if !is_about_a_key(answer) => Trust::Doubted,
            _ => return Ok(()),
        };
        if config.load::<Repeated>().is_none() && self.0.known().refused(signer, call, trust) {
            config.interceptor_state().store_put(Repeated);
            answer.headers_mut().insert(REPEAT, "true");
        }
        Ok(())
    }
}

/// Has an answer that was found to be a refusal of credentials tried again.
#[derive(Debug)]
pub(super) struct Repeat;

impl ClassifyRetry for Repeat {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(|answer| answer.headers().get(REPEAT)) {
            Some(_) => RetryAction::transient_error(),
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "Repeat"
    }
}

fn is_about_a_key(answer: &HttpResponse) -> bool {
    String::from_utf8_lossy(answer.body().bytes().unwrap_or_default()).contains("on resource: access key ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(until: SystemTime, trust: Trust) -> Known {
        let credentials = Credentials::new("ASIAEXAMPLE", "made-up", None, None, "test");
        Known { session: Some(Session { credentials, until, trust }), lacking: HashSet::new() }
    }

    #[test]
    fn credentials_are_used_until_two_minutes_before_their_end_by_the_clock_on_the_wall() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let minutes = Duration::from_mins;
        for (expiry, expected) in [
            (Some(now + minutes(15)), now + minutes(13)),
            (Some(now + minutes(5)), now + minutes(3)),
            // STS gives no more than was asked for, and something else may.
            (Some(now + minutes(60)), now + minutes(13)),
            (Some(now), now + minutes(13)),
            (Some(now - minutes(60)), now + minutes(13)),
            (None, now + minutes(13)),
        ] {
            assert_eq!(until(now, expiry), expected, "{expiry:?}");
        }
        let known = known(now + minutes(13), Trust::Good);
        for (minutes_later, is_known) in [(0, true), (12, true), (13, false), (600, false)] {
            assert_eq!(known.with(Trust::Good, now + minutes(minutes_later)).is_some(), is_known, "{minutes_later}");
        }
    }

    #[test]
    fn a_refused_call_is_tried_with_other_credentials_unless_those_were_refused_it_just_as_well() {
        use Trust::{Doubted, Good, Refused};
        let (mine, another) = ("ASIAEXAMPLE", "ASIAANOTHER");
        for (trust, lacking, access_key, answer, expected, then) in [
            (Good, "GetUser", mine, Doubted, true, Doubted),
            (Good, "UpdateAccessKey", mine, Doubted, false, Good),
            (Good, "UpdateAccessKey", mine, Refused, true, Refused),
            // Others wait for other credentials already, or have them.
            (Doubted, "UpdateAccessKey", mine, Doubted, true, Doubted),
            (Refused, "UpdateAccessKey", mine, Doubted, true, Refused),
            (Good, "UpdateAccessKey", another, Doubted, true, Good),
        ] {
            let mut known = known(SystemTime::now(), trust);
            known.lacking.insert(lacking.to_owned());
            let case = format!("{trust:?} {lacking} {access_key} {answer:?}");
            assert_eq!(known.refused(access_key, "UpdateAccessKey", answer), expected, "{case}");
            assert_eq!(known.session.map(|session| session.trust), Some(then), "{case}");
        }
    }
}
