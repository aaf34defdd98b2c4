//! IAM over HTTP where moto is not like AWS: it denies what it does not know, refuses calls without a user name, takes
//! names in any case, and fails on demand. It records every call.
//!
//! The answers are those of AWS: unknown keys are recorded in localstack's `test_iam_users` snapshots; the rest is
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html> and its neighbours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use chrono::{DateTime, SecondsFormat, Utc};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond};

use serde_json::{Value, json};

use super::Function;
use super::ids::{KEY, OTHER_KEY, OWN, USER_ID};

/// How the access key IDs that the fake hands out begin; the account follows.
const HANDED_OUT: &str = "ASIAMADE";

/// Whose keys are the root user's: IAM does not know them as a user's.
const ROOT_USER: &str = "root-user";

/// The unique identifiers of the roles that the function works as.
pub const OWN_ROLE_ID: &str = "AROAFUNCTIONSOWNROLE";

/// A fake of IAM and STS, of every account.
pub struct FakeIam {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    keys: Vec<Key>,
    /// Users without a key, by account and name.
    users: BTreeSet<(String, String)>,
    roles: Vec<Role>,
    policies: BTreeMap<(String, String), BTreeMap<String, String>>,
    attached: BTreeSet<(String, String, String)>,
    /// The members of groups, by account, user and group.
    members: BTreeSet<(String, String, String)>,
    /// Whether the accounts lack what the function's stack makes.
    lacks_policies: bool,
    lacks_groups: bool,
    calls: Vec<Call>,
    faults: Vec<Fault>,
    /// How often calls of an action about each key are answered instead, and how often they were.
    for_each_key: Vec<(&'static str, usize, Answer)>,
    answered: BTreeMap<(String, String), usize>,
    /// How many sessions were handed out, those that IAM refuses by now, and how.
    handed_out: usize,
    refused: BTreeMap<String, (&'static str, String)>,
    /// When sessions end, in seconds from now; `None` when they last.
    sessions_end_in: Option<i64>,
    every_other: Option<Answer>,
    delay: Duration,
    /// Users of the function's account beside those that are named, so that its list has pages.
    crowd: usize,
    /// The expression and the input of schedules, by name.
    schedules: BTreeMap<String, [String; 2]>,
    /// The identifiers of users that are not made from their names.
    user_ids: BTreeMap<String, String>,
    /// CloudTrail's records, by account, Region and access key ID.
    trail: Vec<(String, String, String, Value)>,
    /// When principals were made that were not made long ago, by account and `user/NAME` or `role/NAME`.
    made: BTreeMap<(String, String), DateTime<Utc>>,
}

struct Key {
    account: String,
    user: String,
    id: String,
    status: String,
    created: DateTime<Utc>,
}

fn long_ago() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2020-01-02T03:04:05Z").expect("a time").to_utc()
}

fn date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

struct Role {
    account: String,
    name: String,
    id: String,
    path: String,
}

/// A call that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub action: String,
    /// The account of the credentials that signed it.
    pub account: String,
    pub parameters: BTreeMap<String, String>,
    pub at: Instant,
    /// The access key ID of the credentials that signed it.
    pub signer: String,
}

impl Call {
    fn of(body: &[u8], signature: &str, target: &str, method: &str, path: &str) -> Self {
        let parameters: BTreeMap<_, _> = match target.split_once('.') {
            // A service whose actions are methods and paths.
            None if signature.contains("/scheduler/") => {
                let action = match method {
                    "POST" => "CreateSchedule",
                    "PUT" => "UpdateSchedule",
                    "DELETE" => "DeleteSchedule",
                    _ => "GetSchedule",
                };
                let name = path.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap_or_default();
                let input: Value = serde_json::from_slice(body).unwrap_or_default();
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                [
                    ("Action", action.to_owned()),
                    ("Name", name.to_owned()),
                    ("ScheduleExpression", text(&input["ScheduleExpression"])),
                    ("Input", text(&input["Target"]["Input"])),
                    ("Target", text(&input["Target"]["Arn"])),
                    ("GroupName", text(&input["GroupName"])),
                    ("ActionAfterCompletion", text(&input["ActionAfterCompletion"])),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .into()
            }
            None => form_urlencoded::parse(body).into_owned().collect(),
            // A service that speaks JSON.
            Some((_, action)) => {
                let input: Value = serde_json::from_slice(body).expect("JSON");
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let key = text(&input["LookupAttributes"][0]["AttributeValue"]);
                let page = text(&input["NextToken"]);
                let region = signature.split('/').nth(2).map(str::to_owned);
                let given = [
                    ("Action", Some(action.to_owned())),
                    ("AccessKeyId", key),
                    ("NextToken", page),
                    ("Region", region),
                ];
                given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
            }
        };
        let signer = signature.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        // The fake writes the account into the credentials that it hands out.
        let account = signer.strip_prefix(HANDED_OUT).and_then(|rest| rest.get(..12)).unwrap_or(OWN);
        Self {
            action: parameters.get("Action").cloned().unwrap_or_default(),
            account: account.to_owned(),
            parameters,
            at: Instant::now(),
            signer: signer.to_owned(),
        }
    }

    fn parameter(&self, name: &str) -> String {
        self.parameters.get(name).cloned().unwrap_or_default()
    }

    /// The user or the role that it is about, as `user/NAME` or `role/NAME`.
    fn principal(&self) -> Option<String> {
        let named = |name: &str, kind: &str| self.parameters.get(name).map(|name| format!("{kind}/{name}"));
        named("UserName", "user").or_else(|| named("RoleName", "role"))
    }

    /// The action as policies name it.
    pub fn permission(&self) -> String {
        let service = match self.action.as_str() {
            "AssumeRole" | "AssumeRoot" | "GetCallerIdentity" => "sts",
            "LookupEvents" => "cloudtrail",
            action if action.ends_with("Schedule") => "scheduler",
            _ => "iam",
        };
        format!("{service}:{}", self.action)
    }

    /// The resource that policies are held against.
    pub fn resource(&self) -> String {
        let of = |account: &str, rest: &str| format!("arn:aws:iam::{account}:{rest}");
        match self.action.as_str() {
            "AssumeRole" => self.parameter("RoleArn"),
            "AssumeRoot" => of(&self.parameter("TargetPrincipal"), "root"),
            "GetAccessKeyLastUsed" | "ListUsers" => of(&self.account, "user/*"),
            "ListRoles" => of(&self.account, "role/*"),
            action if action.ends_with("Schedule") => {
                let group = self.parameters.get("GroupName").filter(|group| !group.is_empty());
                let group = group.map_or("key-remediator", String::as_str);
                format!("arn:aws:scheduler:us-east-1:{OWN}:schedule/{group}/{}", self.parameter("Name"))
            }
            "LookupEvents" => format!("arn:aws:cloudtrail:us-east-1:{}:any", self.account),
            "AddUserToGroup" | "RemoveUserFromGroup" => {
                of(&self.account, &format!("group/key-remediator/{}", self.parameter("GroupName")))
            }
            _ => of(&self.account, self.principal().as_deref().unwrap_or("root")),
        }
    }

    /// `Action` and what it is about, in the account named when it is not the function's.
    fn line(&self) -> String {
        let policy_arn = self.parameters.get("PolicyArn").and_then(|arn| arn.rsplit('/').next().map(str::to_owned));
        let named =
            ["RoleArn", "TargetPrincipal", "UserName", "RoleName", "AccessKeyId", "Status", "PolicyName", "GroupName"];
        let named = named.iter().filter_map(|name| self.parameters.get(*name).cloned()).chain(policy_arn);
        let elsewhere = (self.account != OWN).then(|| format!("{}:", self.account));
        let parts = elsewhere.into_iter().chain([self.action.clone()]).chain(named);
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    body: String,
    kind: &'static str,
    delay: Duration,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, body: String::new(), kind: "text/xml", delay: Duration::ZERO }
    }

    pub fn set_body_string(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub fn set_body_raw(self, body: impl Into<String>, kind: &'static str) -> Self {
        Self { body: body.into(), kind, ..self }
    }

    pub fn set_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

impl From<Answer> for wiremock::ResponseTemplate {
    fn from(Answer { status, body, kind, delay }: Answer) -> Self {
        Self::new(status).set_body_raw(body, kind).set_delay(delay)
    }
}

/// How calls of one action are answered instead of by the state.
pub struct Fault {
    pub action: &'static str,
    /// The answers to the next calls, `None` being the state's; then the state answers again, unless `for_ever`.
    pub answers: VecDeque<Option<Answer>>,
    pub for_ever: Option<Answer>,
}

impl FakeIam {
    pub async fn start() -> Self {
        // Without a yield a test that starts many uses up its task's budget, and then the server's drop, which blocks on
        // an asynchronous lock, waits for ever.
        tokio::task::yield_now().await;
        let server = MockServer::start().await;
        let state = Arc::new(Mutex::new(State::default()));
        let responder = Responder(Arc::clone(&state));
        Mock::given(any()).respond_with(responder).mount(&server).await;
        Self { server, state }
    }

    /// With two keys of Bob's.
    pub async fn of_bob() -> Self {
        Self::start().await.key("Bob", KEY).key("Bob", OTHER_KEY)
    }

    pub fn key(self, user: &str, id: &str) -> Self {
        self.key_in(OWN, user, id)
    }

    pub fn key_in(self, account: &str, user: &str, id: &str) -> Self {
        self.make_key(account, user, id, long_ago());
        self
    }

    /// A key that is made at that time, and its user with it if there is none yet.
    pub fn make_key(&self, account: &str, user: &str, id: &str, created: DateTime<Utc>) {
        let mut state = self.state();
        let made = (account.to_owned(), format!("user/{}", user.to_lowercase()));
        if !state.keys.iter().any(|key| key.account == account && key.user.eq_ignore_ascii_case(user)) {
            state.made.entry(made).or_insert(created);
        }
        let [account, user, id, status] = [account, user, id, "Active"].map(str::to_owned);
        state.keys.push(Key { account, user, id, status, created });
    }

    /// A role that is made at that time.
    pub fn make_role(&self, account: &str, name: &str, created: DateTime<Utc>) {
        let mut state = self.state();
        state.made.insert((account.to_owned(), format!("role/{}", name.to_lowercase())), created);
        let [account, name, id, path] = [account, name, "AROANEWROLEEXAMPLE", "/"].map(str::to_owned);
        state.roles.push(Role { account, name, id, path });
    }

    /// What the schedules give to the function, by name.
    pub fn schedules(&self) -> BTreeMap<String, Value> {
        let read =
            |(name, [_, input]): (&String, &[String; 2])| (name.clone(), serde_json::from_str(input).expect("JSON"));
        self.state().schedules.iter().map(read).collect()
    }

    /// For when a schedule is.
    pub fn planned(&self, name: &str) -> String {
        self.state().schedules[name][0].clone()
    }

    /// Makes a schedule as if it had been made earlier.
    pub fn plan(&self, name: &str, expression: &str, input: &Value) {
        self.state().schedules.insert(name.to_owned(), [expression.to_owned(), input.to_string()]);
    }

    /// A record of CloudTrail's in the function's account, of a call that a credential made.
    pub fn record(&self, region: &str, key: &str, name: &str, at: DateTime<Utc>, more: &Value) {
        let mut record = json!({
            "eventTime": date(at), "eventName": name, "awsRegion": region, "sourceIPAddress": "198.51.100.7",
            "requestParameters": null, "responseElements": null,
        });
        for (field, value) in more.as_object().expect("an object") {
            record[field] = value.clone();
        }
        self.state().trail.push((OWN.to_owned(), region.to_owned(), key.to_owned(), record));
    }

    /// So many users more in the function's account, made long ago.
    pub fn crowd(self, users: usize) -> Self {
        self.state().crowd = users;
        self
    }

    /// As somebody else would change it.
    pub fn set_status(&self, id: &str, status: &str) {
        self.state().keys.iter_mut().filter(|key| key.id == id).for_each(|key| status.clone_into(&mut key.status));
    }

    /// As somebody else would delete it.
    pub fn delete_key(&self, id: &str) {
        self.state().keys.retain(|key| key.id != id);
    }

    /// Gives a user of the function's account another name. All that is the user's goes along.
    pub fn rename_user(&self, from: &str, to: &str) {
        let mut state = self.state();
        state
            .keys
            .iter_mut()
            .filter(|key| key.user.eq_ignore_ascii_case(from))
            .for_each(|key| to.clone_into(&mut key.user));
        let [old, new] = [from, to].map(|name| format!("user/{}", name.to_lowercase()));
        let moved = |on: String| if on == old { new.clone() } else { on };
        state.attached = std::mem::take(&mut state.attached)
            .into_iter()
            .map(|(account, on, arn)| (account, moved(on), arn))
            .collect();
        let id = state.user_ids.get(&from.to_lowercase()).cloned().unwrap_or_else(|| user_id(from));
        state.user_ids.insert(to.to_lowercase(), id);
    }

    /// As if the user had been deleted and another made under its name.
    pub fn give_user_id(&self, name: &str, id: &str) {
        self.state().user_ids.insert(name.to_lowercase(), id.to_owned());
    }

    /// As somebody else would put it there.
    pub fn put_policy(&self, principal: &str, name: &str, document: &str) {
        let on = (OWN.to_owned(), principal.to_lowercase());
        self.state().policies.entry(on).or_default().insert(name.to_owned(), document.to_owned());
    }

    /// As if the role had been deleted and another made under its name.
    pub fn give_role_id(&self, name: &str, id: &str) {
        self.state().roles.iter_mut().filter(|role| role.name == name).for_each(|role| id.clone_into(&mut role.id));
    }

    /// Takes everything that this function attached away from a principal of the function's account.
    pub fn detach_all(&self, principal: &str) {
        let mut state = self.state();
        state.attached.retain(|(account, on, _)| account != OWN || *on != principal.to_lowercase());
        state.policies.remove(&(OWN.to_owned(), principal.to_lowercase()));
        let user = principal.strip_prefix("user/").unwrap_or_default().to_lowercase();
        state.members.retain(|(account, member, _)| account != OWN || *member != user);
    }

    /// A user without a key.
    pub fn user(self, name: &str) -> Self {
        self.state().users.insert((OWN.to_owned(), name.to_lowercase()));
        self
    }

    pub fn role(self, name: &str, id: &str, path: &str) -> Self {
        self.role_in(OWN, name, id, path)
    }

    pub fn role_in(self, account: &str, name: &str, id: &str, path: &str) -> Self {
        let [account, name, id, path] = [account, name, id, path].map(str::to_owned);
        self.state().roles.push(Role { account, name, id, path });
        self
    }

    /// Puts an inline policy on a principal (`user/NAME`, `role/NAME`), as somebody else would.
    pub fn with_policy(self, principal: &str, name: &str) -> Self {
        self.with_policy_of(2, principal, name)
    }

    /// The same with a policy of so many characters.
    pub fn with_policy_of(self, characters: usize, principal: &str, name: &str) -> Self {
        let on = (OWN.to_owned(), principal.to_lowercase());
        self.state().policies.entry(on).or_default().insert(name.to_owned(), "x".repeat(characters));
        self
    }

    /// Attaches a managed policy to a principal, as somebody else would.
    pub fn with_attached(self, principal: &str, arn: &str) -> Self {
        self.state().attached.insert((OWN.to_owned(), principal.to_lowercase(), arn.to_owned()));
        self
    }

    /// The accounts lack the policies that the function's stack makes.
    pub fn without_policies(self) -> Self {
        self.state().lacks_policies = true;
        self
    }

    /// The accounts lack the groups that the function's stack makes.
    pub fn without_groups(self) -> Self {
        self.state().lacks_groups = true;
        self
    }

    /// Puts a user into a group, as somebody else would.
    pub fn with_group(self, user: &str, group: &str) -> Self {
        self.state().members.insert((OWN.to_owned(), user.to_lowercase(), group.to_owned()));
        self
    }

    /// The groups of a user of the function's account.
    pub fn groups(&self, user: &str) -> Vec<String> {
        let state = self.state();
        let of = state.members.iter().filter(|(account, member, _)| account == OWN && *member == user.to_lowercase());
        of.map(|(_, _, group)| group.clone()).collect()
    }

    /// The next calls of an action get these answers.
    pub fn first(self, action: &'static str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = answers.into_iter().map(Some).collect();
        self.state().faults.push(Fault { action, answers, for_ever: None });
        self
    }

    /// The same, where `None` is the state's own answer.
    pub fn nth(self, action: &'static str, answers: impl IntoIterator<Item = Option<Answer>>) -> Self {
        let answers = answers.into_iter().collect();
        self.state().faults.push(Fault { action, answers, for_ever: None });
        self
    }

    /// Every call of an action gets this answer.
    pub fn always(self, action: &'static str, answer: Answer) -> Self {
        self.state().faults.push(Fault { action, answers: VecDeque::new(), for_ever: Some(answer) });
        self
    }

    /// Every call of an action but the first gets this answer.
    pub fn but_the_first(self, action: &'static str, answer: Answer) -> Self {
        self.state().faults.push(Fault { action, answers: VecDeque::from([None]), for_ever: Some(answer) });
        self
    }

    /// The first calls of an action about each key get this answer.
    pub fn first_for_each_key(self, action: &'static str, times: usize, answer: Answer) -> Self {
        self.state().for_each_key.push((action, times, answer));
        self
    }

    /// From now on IAM refuses the sessions that were handed out until now.
    pub fn refuse_sessions(&self, code: &'static str, message: &str) {
        let mut state = self.state();
        let known: Vec<_> = state.calls.iter().map(|call| call.signer.clone()).collect();
        let handed_out = known.into_iter().filter(|signer| signer.starts_with(HANDED_OUT));
        let refusal = (code, message.to_owned());
        state.refused.extend(handed_out.map(|signer| (signer, refusal.clone())).collect::<Vec<_>>());
    }

    /// Sessions that are handed out end so many seconds later.
    pub fn sessions_end_in(self, seconds: i64) -> Self {
        self.state().sessions_end_in = Some(seconds);
        self
    }

    /// How often a role was assumed.
    pub fn assumed(&self) -> usize {
        self.calls().iter().filter(|call| call.action == "AssumeRole").count()
    }

    /// Every other call, whatever its action, gets this answer.
    pub fn every_other_call(self, answer: Answer) -> Self {
        self.state().every_other = Some(answer);
        self
    }

    /// Every answer takes this long.
    pub fn slow(self, delay: Duration) -> Self {
        self.state().delay = delay;
        self
    }

    pub fn function(&self, variables: &[(&str, &str)]) -> Function<'_> {
        Self::function_at(&self.server.uri(), variables)
    }

    /// What makes a function call this fake, with more variables.
    pub fn variables(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        Self::variables_at(&self.server.uri(), variables)
    }

    fn variables_at(url: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "ASIAFUNCTIONSOWNROLE"),
            ("AWS_SECRET_ACCESS_KEY", "made-up-secret"),
            ("ACCOUNT_ID", OWN),
        ];
        let all = own.iter().chain(variables);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The function, with IAM at an address that leads to a fake.
    pub fn function_at(url: &str, variables: &[(&str, &str)]) -> Function<'static> {
        Function::start(Self::variables_at(url, variables).iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The fake as an HTTP client of the SDK.
    pub fn connector(&self) -> Responder {
        Responder(Arc::clone(&self.state))
    }

    pub fn address(&self) -> std::net::SocketAddr {
        *self.server.address()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub fn call_lines(&self) -> Vec<String> {
        self.calls().iter().map(Call::line).collect()
    }

    #[track_caller]
    pub fn assert_no_calls(&self) {
        assert_eq!(self.call_lines(), [""; 0]);
    }

    /// `None` when the key is gone.
    pub fn status(&self, id: &str) -> Option<String> {
        self.state().keys.iter().find(|key| key.id == id).map(|key| key.status.clone())
    }

    /// The inline policies of a principal of the function's account, by name.
    pub fn policies(&self, principal: &str) -> BTreeMap<String, String> {
        let of = (OWN.to_owned(), principal.to_lowercase());
        self.state().policies.get(&of).cloned().unwrap_or_default()
    }

    /// What this function denies a principal of its account: the names of policies, of groups as `group/NAME`, and of
    /// inline policies as `inline/NAME`.
    pub fn denials(&self, principal: &str) -> Vec<String> {
        let is_own = |name: &String| name.contains("key-remediator-deny-");
        let attached = self.attached(principal).into_iter();
        let attached = attached.filter_map(|arn| Some(arn.split_once(":policy/key-remediator/")?.1.to_owned()));
        let inline = self.policies(principal).into_keys().map(|name| format!("inline/{name}"));
        let state = self.state();
        let user = principal.strip_prefix("user/").unwrap_or_default().to_lowercase();
        let groups = state.members.iter().filter(|(account, member, _)| account == OWN && *member == user);
        let groups = groups.map(|(_, _, group)| format!("group/{group}"));
        attached.chain(groups).chain(inline).filter(is_own).collect()
    }

    /// The managed policies of a principal of the function's account.
    pub fn attached(&self, principal: &str) -> Vec<String> {
        let state = self.state();
        let of = state.attached.iter().filter(|(account, on, _)| account == OWN && *on == principal.to_lowercase());
        of.map(|(_, _, arn)| arn.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the responder does not panic")
    }
}

#[derive(Clone)]
pub struct Responder(Arc<Mutex<State>>);

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the fake of IAM")
    }
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> wiremock::ResponseTemplate {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.answer(&Call::of(
            &request.body,
            header("authorization"),
            header("x-amz-target"),
            request.method.as_str(),
            request.url.path(),
        ))
        .into()
    }
}

/// The fake without a network, for a function in the test's own process, whose time may stand still.
impl HttpConnector for Responder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default();
        let Answer { status, body, delay, .. } = {
            let header = |name: &str| request.headers().get(name).unwrap_or_default();
            self.answer(&Call::of(
                body,
                header("authorization"),
                header("x-amz-target"),
                request.method(),
                request.uri(),
            ))
        };
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(delay).await;
            Ok(HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body)))
        })
    }
}

impl Responder {
    fn answer(&self, call: &Call) -> Answer {
        let mut state = self.0.lock().expect("the responder does not panic");
        state.calls.push(call.clone());
        let fault = state.faults.iter_mut().find(|fault| fault.action == call.action);
        let fault = fault.and_then(|fault| fault.answers.pop_front().unwrap_or_else(|| fault.for_ever.clone()));
        let refusal = state.refused.get(&call.signer).map(|(code, message)| error(403, code, message));
        let fault = refusal.or(fault).or_else(|| state.answered_for_its_key(call));
        let fault = fault.or(state.every_other.clone().filter(|_| state.calls.len().is_multiple_of(2)));
        let delay = state.delay;
        let answer = fault.unwrap_or_else(|| state.answer(call));
        if delay.is_zero() { answer } else { answer.set_delay(delay) }
    }
}

impl State {
    /// The answer that a call gets because it is one of the first about its key.
    fn answered_for_its_key(&mut self, call: &Call) -> Option<Answer> {
        let of_action = |(action, ..): &&(&str, usize, Answer)| *action == call.action;
        let (_, times, answer) = self.for_each_key.iter().find(of_action)?.clone();
        let answered = self.answered.entry((call.action.clone(), call.parameter("AccessKeyId"))).or_default();
        *answered += 1;
        (*answered <= times).then_some(answer)
    }

    fn answer(&mut self, call: &Call) -> Answer {
        match call.action.as_str() {
            "AssumeRole" => {
                let role = call.parameter("RoleArn");
                self.handed_out(&call.action, role.split(':').nth(4).unwrap_or_default())
            }
            "AssumeRoot" => self.handed_out(&call.action, &call.parameter("TargetPrincipal")),
            "GetCallerIdentity" => success(
                &call.action,
                &format!("<UserId>{OWN_ROLE_ID}:key-remediator</UserId><Account>{}</Account>", call.account),
            ),
            "GetAccessKeyLastUsed" => self.owner(call),
            "ListAccessKeys" | "UpdateAccessKey" | "DeleteAccessKey" => self.key_call(call),
            "LookupEvents" => self.looked_up(call),
            "CreateSchedule" | "UpdateSchedule" | "GetSchedule" | "DeleteSchedule" => self.schedule_call(call),
            "ListUsers" => self.all_users(call),
            "ListRoles" => {
                let roles = self.roles.iter().filter(|role| role.account == call.account);
                let roles: String = roles.map(|role| self.described(role, "member")).collect();
                success(&call.action, &format!("<Roles>{roles}</Roles><IsTruncated>false</IsTruncated>"))
            }
            "GetUser" => self.user(call),
            "GetRole" => match self.roles.iter().find(|role| role.account == call.account && role.is(call)) {
                Some(role) => success(&call.action, &self.described(role, "Role")),
                None => error(404, "NoSuchEntity", "The role cannot be found."),
            },
            _ => self.policy_call(call),
        }
    }

    /// Temporary credentials of an account, which stands in their access key ID.
    fn handed_out(&mut self, action: &str, account: &str) -> Answer {
        self.handed_out += 1;
        let end = match self.sessions_end_in {
            Some(seconds) => (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339(),
            None => "2099-01-01T00:00:00Z".to_owned(),
        };
        success(
            action,
            &format!(
                "<Credentials><AccessKeyId>{HANDED_OUT}{account}{}</AccessKeyId><SecretAccessKey>made-up-secret\
                 </SecretAccessKey><SessionToken>made-up-token</SessionToken><Expiration>{end}</Expiration></Credentials>",
                self.handed_out
            ),
        )
    }

    fn user(&self, call: &Call) -> Answer {
        let name = call.parameter("UserName");
        let is_known = |key: &Key| key.account == call.account && key.user.eq_ignore_ascii_case(&name);
        if !self.keys.iter().any(is_known) && !self.users.contains(&(call.account.clone(), name.to_lowercase())) {
            return error(404, "NoSuchEntity", &format!("The user with name {name} cannot be found."));
        }
        let id = self.user_ids.get(&name.to_lowercase()).cloned().unwrap_or_else(|| user_id(&name));
        success(
            &call.action,
            &format!(
                "<User><Path>/</Path><UserName>{name}</UserName><UserId>{id}</UserId><Arn>arn:aws:iam::{}:user/{name}\
                 </Arn><CreateDate>2020-01-02T03:04:05Z</CreateDate></User>",
                call.account
            ),
        )
    }

    fn made(&self, account: &str, principal: &str) -> DateTime<Utc> {
        let principal = (account.to_owned(), principal.to_lowercase());
        self.made.get(&principal).copied().unwrap_or_else(long_ago)
    }

    fn described(&self, role: &Role, element: &str) -> String {
        let Role { account, name, id, path } = role;
        let created = date(self.made(account, &format!("role/{name}")));
        format!(
            "<{element}><Path>{path}</Path><RoleName>{name}</RoleName><RoleId>{id}</RoleId>\
             <Arn>arn:aws:iam::{account}:role{path}{name}</Arn><CreateDate>{created}</CreateDate></{element}>"
        )
    }

    fn schedule_call(&mut self, call: &Call) -> Answer {
        let name = call.parameter("Name");
        let known = self.schedules.get(&name).cloned();
        let json = |value: Value| Answer::new(200).set_body_raw(value.to_string(), "application/json");
        match (call.action.as_str(), known) {
            ("CreateSchedule", Some(_)) => of_scheduler(409, "ConflictException"),
            ("CreateSchedule", None) | ("UpdateSchedule", Some(_)) => {
                self.schedules.insert(name, [call.parameter("ScheduleExpression"), call.parameter("Input")]);
                json(json!({"ScheduleArn": "arn:aws:scheduler:us-east-1:123456789012:schedule/g/n"}))
            }
            (_, None) => of_scheduler(404, "ResourceNotFoundException"),
            ("GetSchedule", Some([expression, input])) => json(json!({
                "Name": name, "ScheduleExpression": expression,
                "Target": {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": "arn:aws:iam::1:role/r",
                           "Input": input},
            })),
            (_, Some(_)) => {
                self.schedules.remove(&name);
                json(json!({}))
            }
        }
    }

    /// In pages of 50, newest first.
    fn looked_up(&self, call: &Call) -> Answer {
        let (key, region) = (call.parameter("AccessKeyId"), call.parameter("Region"));
        let is_its = |record: &&(String, String, String, Value)| {
            (&record.0, &record.1, &record.2) == (&call.account, &region, &key)
        };
        let records: Vec<_> = self.trail.iter().filter(is_its).collect();
        let first = call.parameter("NextToken").parse::<usize>().unwrap_or_default();
        let events = records.iter().rev().skip(first).take(50);
        let events: Vec<_> = events.map(|(.., record)| json!({"CloudTrailEvent": record.to_string()})).collect();
        let next = (first + 50 < records.len()).then(|| (first + 50).to_string());
        Answer::new(200)
            .set_body_raw(json!({"Events": events, "NextToken": next}).to_string(), "application/x-amz-json-1.1")
    }

    /// In pages as large as the call asks for, 100 if it does not.
    fn all_users(&self, call: &Call) -> Answer {
        let of_keys = self.keys.iter().filter(|key| key.account == call.account && key.user != ROOT_USER);
        let of_keys = of_keys.map(|key| key.user.to_lowercase());
        let others = self.users.iter().filter(|(account, _)| *account == call.account).map(|(_, name)| name.clone());
        let mut names: Vec<String> = of_keys.chain(others).collect::<BTreeSet<_>>().into_iter().collect();
        names.extend((0..self.crowd).map(|number| format!("crowd-{number}")));
        let number = |name: &str| call.parameters.get(name).and_then(|text| text.parse::<usize>().ok());
        let (first, most) = (number("Marker").unwrap_or_default(), number("MaxItems").unwrap_or(100));
        let page = names.iter().skip(first).take(most).map(|name| {
            format!(
                "<member><Path>/</Path><UserName>{name}</UserName><UserId>{}</UserId><Arn>arn:aws:iam::{}:user/{name}</Arn>\
                 <CreateDate>{}</CreateDate></member>",
                user_id(name),
                call.account,
                date(self.made(&call.account, &format!("user/{name}")))
            )
        });
        let page: String = page.collect();
        let next = first + most;
        let more = if next < names.len() {
            format!("<IsTruncated>true</IsTruncated><Marker>{next}</Marker>")
        } else {
            "<IsTruncated>false</IsTruncated>".to_owned()
        };
        success(&call.action, &format!("<Users>{page}</Users>{more}"))
    }

    fn owner(&self, call: &Call) -> Answer {
        let id = call.parameter("AccessKeyId");
        let is_known = |key: &&Key| key.id == id && key.account == call.account && key.user != ROOT_USER;
        match self.keys.iter().find(is_known) {
            Some(key) => success(
                &call.action,
                &format!(
                    "<UserName>{}</UserName><AccessKeyLastUsed><Region>us-east-1</Region><ServiceName>s3</ServiceName>\
                     <LastUsedDate>2026-11-20T03:04:05Z</LastUsedDate></AccessKeyLastUsed>",
                    key.user
                ),
            ),
            None => denied(&format!("iam:GetAccessKeyLastUsed on resource: access key {id}")),
        }
    }

    fn key_call(&mut self, call: &Call) -> Answer {
        // Without a user name the calls are about the caller, who is the root user only after AssumeRoot.
        let user = call.parameters.get("UserName").cloned().or_else(|| self.root_caller(call));
        let Some(user) = user else {
            return error(400, "ValidationError", "Must specify userName when calling with non-User credentials");
        };
        let of_user = |key: &Key| key.account == call.account && key.user.eq_ignore_ascii_case(&user);
        let found = self.keys.iter().position(|key| of_user(key) && key.id == call.parameter("AccessKeyId"));
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
                let id = call.parameter("AccessKeyId");
                error(404, "NoSuchEntity", &format!("The Access Key with id {id} cannot be found."))
            }
            ("UpdateAccessKey", Some(index)) => {
                self.keys[index].status = call.parameter("Status");
                success(&call.action, "")
            }
            (_, Some(index)) => {
                self.keys.remove(index);
                success(&call.action, "")
            }
        }
    }

    /// The policies of this function's stack are of the account in which they are attached.
    fn has_policy(&self, call: &Call) -> bool {
        let arn = call.parameter("PolicyArn");
        let of_the_stack = format!(":iam::{}:policy/key-remediator/", call.account);
        arn.contains(":iam::aws:policy/") || arn.contains(&of_the_stack) && !self.lacks_policies
    }

    fn root_caller(&self, call: &Call) -> Option<String> {
        let assumed =
            |earlier: &Call| earlier.action == "AssumeRoot" && earlier.parameter("TargetPrincipal") == call.account;
        self.calls.iter().any(assumed).then(|| ROOT_USER.to_owned())
    }

    fn policy_call(&mut self, call: &Call) -> Answer {
        let on = (call.account.clone(), call.principal().unwrap_or_default().to_lowercase());
        let known = match on.1.split_once('/') {
            Some(("user", name)) => {
                self.keys.iter().any(|key| key.account == on.0 && key.user.eq_ignore_ascii_case(name))
                    || self.users.contains(&(on.0.clone(), name.to_owned()))
            }
            Some((_, name)) => {
                self.roles.iter().any(|role| role.account == on.0 && role.name.eq_ignore_ascii_case(name))
            }
            None => false,
        };
        if !known {
            return error(404, "NoSuchEntity", "The principal cannot be found.");
        }
        let attachment = (on.0.clone(), on.1.clone(), call.parameter("PolicyArn"));
        let member = (on.0.clone(), call.parameter("UserName").to_lowercase(), call.parameter("GroupName"));
        let done = success(&call.action, "");
        let gone = || error(404, "NoSuchEntity", "There is nothing of that name.");
        match call.action.as_str() {
            "PutUserPolicy" | "PutRolePolicy" => {
                let (name, document) = (call.parameter("PolicyName"), call.parameter("PolicyDocument"));
                let policies = self.policies.entry(on).or_default();
                let others = policies.iter().filter(|(other, _)| **other != name).map(|(_, other)| other.len());
                let room = if call.action == "PutUserPolicy" { 2_048 } else { 10_240 };
                if others.sum::<usize>() + document.len() > room {
                    let message = format!("Maximum policy size of {room} bytes exceeded");
                    return error(409, "LimitExceeded", &message);
                }
                policies.insert(name, document);
                done
            }
            "DeleteUserPolicy" | "DeleteRolePolicy" => {
                let removed = self.policies.entry(on).or_default().remove(&call.parameter("PolicyName"));
                if removed.is_some() { done } else { gone() }
            }
            "AttachUserPolicy" | "AttachRolePolicy" => {
                if !self.has_policy(call) {
                    return error(404, "NoSuchEntity", "Policy does not exist or is not attachable.");
                }
                self.attached.insert(attachment);
                done
            }
            "AddUserToGroup" => {
                if self.lacks_groups {
                    return error(404, "NoSuchEntity", "The group cannot be found.");
                }
                self.members.insert(member);
                done
            }
            "RemoveUserFromGroup" => {
                if self.members.remove(&member) {
                    done
                } else {
                    gone()
                }
            }
            "DetachUserPolicy" | "DetachRolePolicy" => {
                if self.attached.remove(&attachment) {
                    done
                } else {
                    gone()
                }
            }
            _ => self.policy_read(call, &on),
        }
    }

    /// What stands on a principal that is known.
    fn policy_read(&self, call: &Call, on: &(String, String)) -> Answer {
        match call.action.as_str() {
            "ListUserPolicies" | "ListRolePolicies" => {
                let names = self.policies.get(on).into_iter().flat_map(BTreeMap::keys);
                let names: Vec<_> = names.map(|name| format!("<member>{name}</member>")).collect();
                let names = names.concat();
                success(&call.action, &format!("<PolicyNames>{names}</PolicyNames><IsTruncated>false</IsTruncated>"))
            }
            "GetRolePolicy" => {
                match self.policies.get(on).and_then(|known| known.get(&call.parameter("PolicyName"))) {
                    None => error(404, "NoSuchEntity", "There is nothing of that name."),
                    Some(document) => {
                        // IAM gives documents in the encoding of URLs.
                        let document: String = form_urlencoded::byte_serialize(document.as_bytes()).collect();
                        let name = call.parameter("PolicyName");
                        success(
                            &call.action,
                            &format!(
                                "<RoleName>{}</RoleName><PolicyName>{name}</PolicyName><PolicyDocument>{}</PolicyDocument>",
                                call.parameter("RoleName"),
                                document.replace('+', "%20")
                            ),
                        )
                    }
                }
            }
            "ListAttachedUserPolicies" | "ListAttachedRolePolicies" => {
                let of_principal = self.attached.iter().filter(|(account, name, _)| (account, name) == (&on.0, &on.1));
                let members = of_principal.map(|(_, _, arn)| format!("<member><PolicyArn>{arn}</PolicyArn></member>"));
                let members: String = members.collect();
                success(
                    &call.action,
                    &format!("<AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated>"),
                )
            }
            "ListGroupsForUser" => {
                let member = call.parameter("UserName").to_lowercase();
                let of_user = self.members.iter().filter(|(account, user, _)| (account, user) == (&on.0, &member));
                let group = |name: &str| {
                    format!(
                        "<member><Path>/key-remediator/</Path><GroupName>{name}</GroupName><GroupId>AGPAEXAMPLE</GroupId>\
                         <Arn>arn:aws:iam::{}:group/{name}</Arn><CreateDate>2020-01-02T03:04:05Z</CreateDate></member>",
                        on.0
                    )
                };
                let groups: String = of_user.map(|(_, _, name)| group(name)).collect();
                success(&call.action, &format!("<Groups>{groups}</Groups><IsTruncated>false</IsTruncated>"))
            }
            "GetLoginProfile" => error(404, "NoSuchEntity", "Login Profile cannot be found."),
            "ListServiceSpecificCredentials" => success(&call.action, "<ServiceSpecificCredentials/>"),
            "ListSigningCertificates" => success(&call.action, "<Certificates/><IsTruncated>false</IsTruncated>"),
            "ListSSHPublicKeys" => success(&call.action, "<SSHPublicKeys/><IsTruncated>false</IsTruncated>"),
            action => error(400, "InvalidAction", action),
        }
    }
}

/// The unique identifier of a user: that of the samples for Bob.
fn user_id(name: &str) -> String {
    if name.eq_ignore_ascii_case("Bob") {
        USER_ID.to_owned()
    } else {
        format!("AIDA{:X>17}", name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), ""))
    }
}

impl Key {
    fn listed(&self) -> String {
        let Self { user, id, status, created, .. } = self;
        let created = date(*created);
        format!(
            "<member><UserName>{user}</UserName><AccessKeyId>{id}</AccessKeyId><Status>{status}</Status>\
             <CreateDate>{created}</CreateDate></member>"
        )
    }
}

impl Role {
    fn is(&self, call: &Call) -> bool {
        self.name.eq_ignore_ascii_case(&call.parameter("RoleName"))
    }
}

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

pub fn success(action: &str, result: &str) -> Answer {
    Answer::new(200).set_body_string(format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result><ResponseMetadata>\
         <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></{action}Response>"
    ))
}

/// An error of EventBridge Scheduler.
pub fn of_scheduler(status: u16, code: &str) -> Answer {
    let body = json!({"__type": code, "Message": "made up"}).to_string();
    Answer::new(status).set_body_raw(body, "application/json")
}

pub fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(status).set_body_string(format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    ))
}

/// What IAM says when it denies: `what` is the action and the resource, with the policy that is in the way, if any.
pub fn denied(what: &str) -> Answer {
    let caller = format!("arn:aws:sts::{OWN}:assumed-role/key-remediator/key-remediator");
    error(403, "AccessDenied", &format!("User: {caller} is not authorized to perform: {what}"))
}

pub fn throttled() -> Answer {
    error(400, "Throttling", "Rate exceeded")
}

pub fn broken() -> Answer {
    error(500, "ServiceFailure", "The request processing has failed because of an unknown error")
}
