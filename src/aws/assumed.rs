//! The member role's credentials in one account: kept while they are good, by the clock on the wall, since the other one
//! stands still while Lambda freezes the sandbox; and made anew once when IAM refuses them.

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
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

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
    session: Mutex<Option<Session>>,
    /// Held while new credentials are asked for, so that many calls ask once.
    asking: tokio::sync::Mutex<()>,
}

/// Credentials, and until when they are used.
#[derive(Clone, Debug)]
struct Session {
    credentials: Credentials,
    until: SystemTime,
    /// Whether IAM refused the ones before.
    renewed: bool,
    /// Whether a call with them has succeeded.
    worked: bool,
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
        let renewed = self.session().as_ref().is_some_and(|session| session.refused);
        let until = until(SystemTime::now(), credentials.expiry());
        let credentials_known = credentials.clone();
        *self.session() =
            Some(Session { credentials: credentials_known, until, renewed, worked: false, refused: false });
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

    /// Gives credentials up that IAM refused. Whether another try with others makes sense: a permission that is missing is
    /// missing with all of them.
    fn give_up(&self, access_key: &str, for_want_of_permission: bool) -> bool {
        let mut session = self.session();
        let Some(session) = session.as_mut() else { return true };
        if session.credentials.access_key_id() != access_key {
            // They were renewed while the call was on its way.
            return true;
        }
        let is_final = for_want_of_permission && session.renewed && !session.worked;
        session.refused |= !is_final;
        !is_final
    }

    fn worked(&self, access_key: &str) {
        if let Some(session) = self.session().as_mut().filter(|one| one.credentials.access_key_id() == access_key) {
            session.worked = true;
        }
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
        let signer = config.load::<Signer>().map(|Signer(signer)| signer.clone()).unwrap_or_default();
        if answer.status().is_success() {
            self.0.worked(&signer);
            return Ok(());
        }
        let for_want_of_permission = match error_code(answer) {
            Some("ExpiredToken" | "InvalidClientTokenId") => false,
            // IAM answers a question about an unknown key in this way, which is no refusal.
            Some("AccessDenied") if !is_about_a_key(answer) => true,
            _ => return Ok(()),
        };
        if config.load::<Repeated>().is_none() && self.0.give_up(&signer, for_want_of_permission) {
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

    fn role() -> AssumedRole {
        let sdk = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::v2026_01_12()).build();
        let role = AssumedRole::new(&sdk, "arn".to_owned(), "name".to_owned());
        Arc::into_inner(role).expect("one")
    }

    fn session(until: SystemTime) -> Session {
        let credentials = Credentials::new("ASIAEXAMPLE", "made-up", None, None, "test");
        Session { credentials, until, renewed: false, worked: false, refused: false }
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
            (None, now + minutes(13)),
        ] {
            assert_eq!(until(now, expiry), expected, "{expiry:?}");
        }
        let role = role();
        *role.session() = Some(session(now + minutes(13)));
        for (minutes_later, is_known) in [(0, true), (12, true), (13, false), (600, false)] {
            assert_eq!(role.known(now + minutes(minutes_later)).is_some(), is_known, "{minutes_later}");
        }
    }

    #[test]
    fn refused_credentials_are_given_up_unless_others_were_refused_just_as_well() {
        for (renewed, worked, for_want_of_permission, expected) in [
            (false, false, true, true),
            (false, true, true, true),
            (true, true, true, true),
            (true, false, true, false),
            (true, false, false, true),
        ] {
            let role = role();
            let now = SystemTime::now();
            *role.session() = Some(Session { renewed, worked, ..session(now + Duration::from_mins(13)) });
            assert_eq!(role.give_up("ASIAEXAMPLE", for_want_of_permission), expected, "{renewed} {worked}");
            assert_eq!(role.known(now).is_none(), expected);
            // Others took their place meanwhile.
            assert!(role.give_up("ASIAANOTHER", for_want_of_permission));
        }
    }
}
