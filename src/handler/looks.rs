//! What comes some seconds after containment: the looks at what was contained, and the evidence that is gathered meanwhile.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::{LocalBoxFuture, Shared, join, join_all, select};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::{ACCOUNTS, Clock, Entry, FOR_READS};
use crate::aws::iam::Iam;
use crate::containment::{self, Asked, Gathering, Reach, Times};
use crate::failure::{AwsError, Failed};
use crate::names::AccountId;
use crate::record::{NewPrincipals, Sight};

/// How long before the invocation users and roles were made that are listed. Of these each credential is told what is new
/// to it.
const LISTED_SINCE: TimeDelta = TimeDelta::seconds(62);

/// The looks of an invocation.
pub(super) struct Looks<'a> {
    /// How long after containment.
    times: &'a [Duration],
    clock: &'a Clock,
    /// Told as soon as a step failed: then the invocation ends at once, so that it is tried again.
    stop: watch::Sender<bool>,
    /// In how many accounts it is looked at a time.
    places: Semaphore,
    /// What is new in an account at a look: read once, whoever asks.
    lists: RefCell<HashMap<(AccountId, usize), Listing<'a>>>,
}

type Listing<'a> = Shared<LocalBoxFuture<'a, Rc<Listed>>>;

struct Listed {
    new: NewPrincipals,
    /// Told of the first credential that asks.
    failed: RefCell<Vec<Failed>>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(times: &'a [Duration], clock: &'a Clock) -> Self {
        let (stop, places) = (watch::Sender::new(false), Semaphore::new(ACCOUNTS));
        Self { times, clock, stop, places, lists: RefCell::default() }
    }

    /// The looks at the credentials of one account, and the evidence that is gathered while they wait.
    pub(super) async fn after<F, O>(&self, entries: &mut [&mut Entry<'_>], share: usize, reach: &'a Reach<'a, F>)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let clock = self.clock;
        self.stop_where_failed(entries);
        let mut asked: HashMap<AccountId, (Vec<usize>, Vec<Asked>)> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Some((account, about)) = entry.evidence_is_of_use() {
                let (indexes, all) = asked.entry(account).or_default();
                indexes.push(index);
                all.push(about);
            }
        }
        let asked: Vec<_> = asked.into_iter().collect();
        let gatherings: Vec<_> =
            asked.iter().map(|(_, (_, about))| RefCell::new(Gathering::about(about, clock.now()))).collect();
        // It does not make the invocation longer than the looks do.
        let last = self.times.last().copied();
        let last_look = |about: &Asked| last.map(|last| clock.of(about.contained) + last);
        let gathering = join_all(asked.iter().zip(&gatherings).map(|((account, (_, about)), gathering)| {
            let end = about.iter().filter_map(last_look).max();
            let end = end.unwrap_or_else(|| Instant::now() + FOR_READS).min(clock.deadline);
            containment::gather(about, account, gathering, reach, end)
        }));
        let gathering = async {
            let mut stopped = self.stop.subscribe();
            select(pin!(gathering), pin!(stopped.wait_for(|stop| *stop))).await;
        };
        join(self.look(entries, share, reach), gathering.boxed_local()).await;
        for ((_, (indexes, about)), gathering) in asked.iter().zip(gatherings) {
            let (evidence, mut failed) = gathering.into_inner().end();
            for ((index, about), (evidence, last_used)) in indexes.iter().zip(about).zip(evidence) {
                let Some(entry) = entries.get_mut(*index) else { continue };
                let record = &mut entry.case.record;
                record.add_evidence(&about.key, evidence, last_used);
                record.failed.append(&mut failed);
            }
        }
    }

    async fn look<F, O>(&self, entries: &mut [&mut Entry<'_>], share: usize, reach: &'a Reach<'a, F>)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let is_looked_at = |entry: &&mut Entry<'_>| {
            let looks = entry.case.plan.as_ref().is_some_and(|plan| plan.look.is_some());
            looks && entry.case.record.contained.is_some()
        };
        let mut entries: Vec<_> = entries.iter_mut().map(|entry| &mut **entry).filter(is_looked_at).collect();
        for (number, after) in self.times.iter().enumerate() {
            let slots = Semaphore::new(share);
            let sights: Vec<_> = stream::iter(&mut entries)
                .map(async |entry| {
                    if !self.is_due(entry, *after).await {
                        return None;
                    }
                    let (_slot, _place) = (slots.acquire().await, self.places.acquire().await);
                    let sight = look_at(entry, number, reach, self.clock).boxed_local().await;
                    self.stop_where_failed(std::slice::from_ref(entry));
                    Some(sight)
                })
                .buffered(usize::MAX)
                .collect()
                .await;
            let is_listed = sights.iter().any(Option::is_some) && !*self.stop.borrow();
            if is_listed {
                self.tell_newcomers(&mut entries, number, reach).await;
            }
            let is_last = number + 1 == self.times.len();
            for (entry, sight) in entries.iter_mut().zip(sights) {
                let looks = &mut entry.case.record.looks;
                let is_seen = is_listed && sight.is_some_and(|sight| sight != Sight::Unknown);
                looks.incomplete |= !is_seen || looks.new_principals.partial;
                if is_last && sight == Some(Sight::InPlace) && !looks.incomplete {
                    looks.verified = Some(self.clock.now());
                }
            }
        }
    }

    fn stop_where_failed(&self, entries: &[&mut Entry<'_>]) {
        if entries.iter().any(|entry| entry.case.record.failures().next().is_some()) {
            self.stop.send_replace(true);
        }
    }

    /// Waits for the time of a look. Whether there is one: not once a step failed, and not if it came after the end.
    async fn is_due(&self, entry: &Entry<'_>, after: Duration) -> bool {
        let due = self.clock.of(entry.case.record.contained.unwrap_or_default()) + after;
        due < self.clock.deadline && timeout_at(due, self.stop.subscribe().wait_for(|stop| *stop)).await.is_err()
    }

    /// Tells each credential what is new in its account.
    async fn tell_newcomers<F, O>(&self, entries: &mut [&mut Entry<'_>], number: usize, reach: &'a Reach<'a, F>)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let accounts = entries.iter().filter_map(|entry| entry.case.record.account.clone());
        let listings: HashMap<_, _> =
            accounts.map(|account| (account.clone(), self.listing(&account, number, reach))).collect();
        let listed = listings.into_iter().map(async |(account, listing)| (account, listing.await));
        let listed: HashMap<_, _> = join_all(listed).await.into_iter().collect();
        for entry in entries {
            let record = &mut entry.case.record;
            let Some(listed) = record.account.as_ref().and_then(|account| listed.get(account)) else { continue };
            if let Some(since) = record.new_since() {
                record.looks.new_principals.add(listed.new.since(since));
            }
            record.failed.append(&mut listed.failed.borrow_mut());
        }
    }

    fn listing<F, O>(&self, account: &AccountId, number: usize, reach: &'a Reach<'a, F>) -> Listing<'a>
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let list = || {
            let (account, clock) = (account.clone(), self.clock);
            let list = async move {
                let since = clock.started_at - LISTED_SINCE;
                let (new, failed) = containment::new_principals(&account, since, reach, clock.deadline).await;
                Rc::new(Listed { new, failed: RefCell::new(failed) })
            };
            list.boxed_local().shared()
        };
        self.lists.borrow_mut().entry((account.clone(), number)).or_insert_with(list).clone()
    }
}

async fn look_at<F, O>(entry: &mut Entry<'_>, number: usize, reach: &Reach<'_, F>, clock: &Clock) -> Sight
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let Some(plan) = entry.case.plan.take() else { return Sight::Unknown };
    let times = Times::begin(number, clock.now(), clock.deadline);
    let sight = containment::look(&plan, &mut entry.case.record, reach, &times).await;
    entry.case.plan = Some(plan);
    sight
}
