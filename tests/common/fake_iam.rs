//! IAM over HTTP where moto is not like AWS: it denies what it does not know, refuses calls without a user name, takes
//! names in any case, and fails on demand. It records every call.
//!
//! The answers are those of AWS: unknown keys are recorded in localstack's `test_iam_users` snapshots; the rest is
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html> and its neighbours.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::Function;

/// A fake IAM of account 123456789012.
pub struct FakeIam {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    keys: Vec<Key>,
    calls: Vec<Call>,
    faults: Vec<Fault>,
    every_other: Option<ResponseTemplate>,
    delay: Duration,
}

struct Key {
    user: String,
    id: String,
    status: String,
}

/// A call that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub action: String,
    pub user: Option<String>,
    pub key: Option<String>,
    pub status: Option<String>,
    pub at: Instant,
}

/// How calls of one action are answered instead of by the state.
pub struct Fault {
    pub action: &'static str,
    /// The answers to the next calls; then the state answers again, unless `for_ever`.
    pub answers: VecDeque<ResponseTemplate>,
    pub for_ever: Option<ResponseTemplate>,
}

impl FakeIam {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        let state = Arc::new(Mutex::new(State::default()));
        let responder = Responder(Arc::clone(&state));
        Mock::given(any()).respond_with(responder).mount(&server).await;
        Self { server, state }
    }

    pub fn key(self, user: &str, id: &str) -> Self {
        self.state().keys.push(Key { user: user.to_owned(), id: id.to_owned(), status: "Active".to_owned() });
        self
    }

    /// The next calls of an action get these answers.
    pub fn first(self, action: &'static str, answers: impl IntoIterator<Item = ResponseTemplate>) -> Self {
        let answers = answers.into_iter().collect();
        self.state().faults.push(Fault { action, answers, for_ever: None });
        self
    }

    /// Every call of an action gets this answer.
    pub fn always(self, action: &'static str, answer: ResponseTemplate) -> Self {
        self.state().faults.push(Fault { action, answers: VecDeque::new(), for_ever: Some(answer) });
        self
    }

    /// Every other call, whatever its action, gets this answer.
    pub fn every_other_call(self, answer: ResponseTemplate) -> Self {
        self.state().every_other = Some(answer);
        self
    }

    /// Every answer takes this long.
    pub fn slow(self, delay: Duration) -> Self {
        self.state().delay = delay;
        self
    }

    pub fn function(&self, variables: &[(&str, &str)]) -> Function {
        Self::function_at(&self.server.uri(), variables)
    }

    /// The function, with IAM at an address that leads to a fake.
    pub fn function_at(url: &str, variables: &[(&str, &str)]) -> Function {
        let own = [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "AKIAFUNCTIONSOWNROLE"),
            ("AWS_SECRET_ACCESS_KEY", "made-up-secret"),
            ("ACCOUNT_ID", "123456789012"),
        ];
        Function::start(own.into_iter().chain(variables.iter().copied()))
    }

    pub fn address(&self) -> std::net::SocketAddr {
        *self.server.address()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The calls as `Action user key status`, without what a call does not give.
    pub fn call_lines(&self) -> Vec<String> {
        let line = |call: Call| {
            let parts = [Some(call.action), call.user, call.key, call.status];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        self.calls().into_iter().map(line).collect()
    }

    /// `None` when the key is gone.
    pub fn status(&self, id: &str) -> Option<String> {
        self.state().keys.iter().find(|key| key.id == id).map(|key| key.status.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the responder does not panic")
    }
}

struct Responder(Arc<Mutex<State>>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let parameter = |name: &str| {
            let mut parameters = form_urlencoded::parse(&request.body);
            parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let call = Call {
            action: parameter("Action").unwrap_or_default(),
            user: parameter("UserName"),
            key: parameter("AccessKeyId"),
            status: parameter("Status"),
            at: Instant::now(),
        };
        let mut state = self.0.lock().expect("the responder does not panic");
        state.calls.push(call.clone());
        let fault = state.faults.iter_mut().find(|fault| fault.action == call.action);
        let fault = fault.and_then(|fault| fault.answers.pop_front().or(fault.for_ever.clone()));
        let fault = fault.or(state.every_other.clone().filter(|_| state.calls.len().is_multiple_of(2)));
        let delay = state.delay;
        let answer = fault.unwrap_or_else(|| state.answer(&call));
        if delay.is_zero() { answer } else { answer.set_delay(delay) }
    }
}

impl State {
    fn answer(&mut self, call: &Call) -> ResponseTemplate {
        if call.action == "GetAccessKeyLastUsed" {
            let id = call.key.clone().unwrap_or_default();
            return match self.keys.iter().find(|key| key.id == id) {
                Some(key) => success(
                    &call.action,
                    &format!(
                        "<UserName>{}</UserName><AccessKeyLastUsed><Region>N/A</Region><ServiceName>N/A</ServiceName>\
                         </AccessKeyLastUsed>",
                        key.user
                    ),
                ),
                None => denied(&format!("iam:GetAccessKeyLastUsed on resource: access key {id}")),
            };
        }
        let Some(user) = &call.user else {
            return error(400, "ValidationError", "Must specify userName when calling with non-User credentials");
        };
        let of_user = |key: &Key| key.user.eq_ignore_ascii_case(user);
        let found = self.keys.iter().position(|key| of_user(key) && Some(&key.id) == call.key.as_ref());
        match (call.action.as_str(), found) {
            ("ListAccessKeys", _) => {
                let members: String = self.keys.iter().filter(|key| of_user(key)).map(Key::listed).collect();
                success(
                    &call.action,
                    &format!(
                        "<AccessKeyMetadata>{members}</AccessKeyMetadata><IsTruncated>false</IsTruncated>\
                         <UserName>{user}</UserName>"
                    ),
                )
            }
            (_, None) => {
                let id = call.key.clone().unwrap_or_default();
                error(404, "NoSuchEntity", &format!("The Access Key with id {id} cannot be found."))
            }
            ("UpdateAccessKey", Some(index)) => {
                self.keys[index].status = call.status.clone().unwrap_or_default();
                success(&call.action, "")
            }
            ("DeleteAccessKey", Some(index)) => {
                self.keys.remove(index);
                success(&call.action, "")
            }
            (action, _) => error(400, "InvalidAction", action),
        }
    }
}

impl Key {
    fn listed(&self) -> String {
        let Self { user, id, status } = self;
        format!(
            "<member><UserName>{user}</UserName><AccessKeyId>{id}</AccessKeyId><Status>{status}</Status>\
             <CreateDate>2020-01-02T03:04:05Z</CreateDate></member>"
        )
    }
}

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

pub fn success(action: &str, result: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result><ResponseMetadata>\
         <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></{action}Response>"
    ))
}

pub fn error(status: u16, code: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string(format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    ))
}

/// What IAM says when it denies: `what` is the action and the resource, with the policy that is in the way, if any.
pub fn denied(what: &str) -> ResponseTemplate {
    let caller = "arn:aws:sts::123456789012:assumed-role/key-remediator/key-remediator";
    error(403, "AccessDenied", &format!("User: {caller} is not authorized to perform: {what}"))
}

pub fn throttled() -> ResponseTemplate {
    error(400, "Throttling", "Rate exceeded")
}

pub fn broken() -> ResponseTemplate {
    error(500, "ServiceFailure", "The request processing has failed because of an unknown error")
}
