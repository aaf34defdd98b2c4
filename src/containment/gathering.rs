//! Evidence from CloudTrail about contained credentials, while they wait for their looks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join_all};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Reach, at, in_time};
use crate::aws::iam::Iam;
use crate::aws::trail::{Page, Trail};
use crate::evidence::{Evidence, Search};
use crate::failure::{AwsError, Failed};
use crate::names::{AccessKeyId, AccountId};
use crate::plan::Step;
use crate::record::LastUsed;

/// CloudTrail takes two requests a second in an account and Region:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
const PACE: Duration = Duration::from_millis(500);

/// How long before containment the records begin.
const BEFORE: TimeDelta = TimeDelta::hours(24);

/// Where the calls of global services are recorded, IAM's among them.
const GLOBAL: &str = "us-east-1";

/// A credential about which CloudTrail is asked.
#[derive(Debug)]
pub struct Asked {
    /// Its access key ID.
    pub key: AccessKeyId,
    /// When it was contained.
    pub contained: DateTime<Utc>,
    /// The Region of the finding.
    pub region: Option<String>,
}

/// What is found out, filled in as it comes: the time for it may be over at any moment.
#[derive(Debug, Default)]
pub struct Gathering {
    evidence: Vec<Evidence>,
    last_used: Vec<Option<LastUsed>>,
    searches: Vec<Search>,
    /// How many questions about each credential have no answer yet.
    open: Vec<usize>,
    /// What is still to be asked, by Region.
    queues: Vec<VecDeque<Question>>,
    failed: Vec<AwsError>,
}

#[derive(Clone, Debug)]
struct Question {
    asked: usize,
    key: AccessKeyId,
    is_own: bool,
    page: Option<String>,
}

impl Gathering {
    /// Nothing yet.
    pub fn about(asked: &[Asked], now: DateTime<Utc>) -> Self {
        let evidence = asked.iter().map(|asked| Evidence::between(asked.contained - BEFORE, now));
        let searches = asked.iter().map(|asked| Search::of(&asked.key));
        Self {
            evidence: evidence.collect(),
            searches: searches.collect(),
            last_used: vec![None; asked.len()],
            // Until it has begun.
            open: vec![1; asked.len()],
            ..Self::default()
        }
    }

    /// What there is, with what is known to be missing.
    pub fn end(mut self) -> (Vec<(Evidence, Option<LastUsed>)>, Vec<Failed>) {
        for (evidence, open) in self.evidence.iter_mut().zip(&self.open) {
            evidence.partial |= *open > 0;
        }
        (
            self.evidence.into_iter().zip(self.last_used).collect(),
            self.failed.into_iter().map(at(Step::GatherEvidence)).collect(),
        )
    }

    fn ask(&mut self, asked: usize, key: &AccessKeyId, is_own: bool, regions: impl Iterator<Item = usize>) {
        for region in regions {
            self.queues[region].push_back(Question { asked, key: key.clone(), is_own, page: None });
            self.open[asked] += 1;
        }
    }
}

/// Asks CloudTrail about the credentials of one account, in the Regions of their findings and in that of IAM, as fast as it
/// may be asked and until `deadline`.
pub async fn gather<F, O>(
    asked: &[Asked],
    account: &AccountId,
    gathering: &RefCell<Gathering>,
    reach: &Reach<'_, F>,
    deadline: Instant,
) where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let iam = match in_time(deadline, (reach.open)(account)).await {
        Some(Ok(iam)) => iam,
        Some(Err(error)) => return gathering.borrow_mut().failed.push(error),
        None => return,
    };
    let mut regions = vec![GLOBAL];
    for region in asked.iter().filter_map(|asked| asked.region.as_deref()) {
        if is_region(region) && !regions.contains(&region) {
            regions.push(region);
        }
    }
    {
        let mut gathering = gathering.borrow_mut();
        gathering.queues = vec![VecDeque::new(); regions.len()];
        for (index, about) in asked.iter().enumerate() {
            let own = regions.iter().position(|region| about.region.as_deref() == Some(region)).filter(|own| *own > 0);
            gathering.ask(index, &about.key, true, std::iter::once(0).chain(own));
            // It has begun.
            gathering.open[index] -= 1;
        }
    }
    let trails: Vec<_> = regions.iter().map(|region| iam.trail(region)).collect();
    let trails = trails.iter().enumerate().map(|(region, trail)| in_region(region, trail, gathering, deadline));
    let uses = stream::iter(asked.iter().enumerate()).for_each_concurrent(AT_A_TIME, async |(index, about)| {
        last_use(index, about, &iam, gathering, deadline).await;
    });
    join(join_all(trails), uses).await;
}

/// How many keys IAM is asked about at a time.
const AT_A_TIME: usize = 4;

/// Of temporary credentials IAM tells nothing.
async fn last_use(index: usize, about: &Asked, iam: &Iam, gathering: &RefCell<Gathering>, deadline: Instant) {
    if about.key.is_temporary() {
        return;
    }
    let answer = timeout_at(deadline, iam.last_used(&about.key)).await;
    let mut gathering = gathering.borrow_mut();
    match answer {
        Ok(Ok(last)) => gathering.last_used[index] = last,
        Ok(Err(error)) => {
            gathering.failed.push(error);
            gathering.evidence[index].partial = true;
        }
        Err(_) => gathering.evidence[index].partial = true,
    }
}

async fn in_region(region: usize, trail: &Trail, gathering: &RefCell<Gathering>, deadline: Instant) {
    loop {
        let next = (Instant::now() + PACE).min(deadline);
        let question = gathering.borrow_mut().queues[region].pop_front();
        if let Some(question) = question {
            let time = gathering.borrow().time_of(question.asked);
            let answer = timeout_at(deadline, trail.of(&question.key, time, question.page.clone())).await;
            let Ok(answer) = answer else { return };
            let taken = gathering.borrow_mut().take(region, question, answer);
            if let Err(error) = taken {
                // The next question would be refused alike.
                return gathering.borrow_mut().failed.push(error);
            }
        } else if gathering.borrow().is_over() {
            return;
        }
        // Another Region may find a session that is to be looked for here.
        sleep_until(next).await;
        if Instant::now() >= deadline {
            return;
        }
    }
}

impl Gathering {
    fn time_of(&self, asked: usize) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.evidence[asked].from, self.evidence[asked].to)
    }

    fn is_over(&self) -> bool {
        self.open.iter().all(|open| *open == 0)
    }

    /// Takes an answer in, and what is to be asked because of it.
    fn take(
        &mut self,
        region: usize,
        question: Question,
        answer: Result<Option<Page>, AwsError>,
    ) -> Result<(), AwsError> {
        let Some(page) = answer.inspect_err(|_| self.queues[region].clear())? else {
            self.queues[region].push_front(question);
            return Ok(());
        };
        let own = question.is_own.then(|| !question.key.is_temporary());
        self.evidence[question.asked].partial |= !page.is_whole;
        for record in &page.records {
            self.evidence[question.asked].add(record, own);
            // One level down: what a session opened is not followed.
            if let Some(session) = record.opened().filter(|_| question.is_own) {
                self.follow(question.asked, &session);
            }
        }
        match page.next {
            Some(next) => self.queues[region].push_back(Question { page: Some(next), ..question }),
            None => self.open[question.asked] -= 1,
        }
        Ok(())
    }

    fn follow(&mut self, asked: usize, session: &AccessKeyId) {
        match self.searches[asked].follow(session) {
            Some(true) => self.ask(asked, session, false, 0..self.queues.len()),
            Some(false) => {}
            None => self.evidence[asked].partial = true,
        }
    }
}

/// The name of a Region becomes a part of a host name, and events are foreign.
fn is_region(text: &str) -> bool {
    let is_possible = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (8..=24).contains(&text.len()) && text.chars().all(is_possible) && text.split('-').count() >= 3
}
