//! One credential from the event to the report: what the event says, what is to be done, and what was done.

use crate::credential::{Credential, Holder};
use crate::failure::{Cause, Failed};
use crate::finding::Finding;
use crate::names::{AccessKeyId, AccountId, UserName};
use crate::plan::{Beyond, First, IfGone, Plan, Step};
use crate::record::{Left, Record};

/// All that is known about one credential.
#[derive(Debug)]
pub struct Case<'f> {
    /// The finding that decides about it.
    pub finding: &'f Finding,
    /// What is to be done; `None` where the decision left it alone, which the record tells then.
    pub plan: Option<Plan<'f>>,
    /// What was done.
    pub record: Record,
    /// Whom the findings about these temporary credentials name as their holder.
    holders: Vec<&'f Holder>,
}

impl<'f> Case<'f> {
    pub fn new(finding: &'f Finding, plan: Option<Plan<'f>>, record: Record) -> Self {
        let mut case = Self { finding, plan, record, holders: Vec::new() };
        if let Credential::Session { holder, .. } = &finding.credential
            && case.counts()
        {
            case.holders.push(holder);
        }
        case
    }

    /// Whether there may be schedules about it.
    pub fn schedules(&self) -> bool {
        let record = &self.record;
        let could_not = |failed: &Failed| matches!(failed.step, Step::RemoveSchedule);
        record.is_followed_up || record.delete_on.is_some() || record.failed.iter().any(could_not)
    }

    pub fn key(&self) -> Option<&AccessKeyId> {
        self.finding.credential.key()
    }

    /// The account that was acted in, or that the event names or means.
    pub fn account(&self) -> Option<&AccountId> {
        let planned = self.plan.as_ref().map(|plan| &plan.account);
        let left = match &self.record.left {
            Some(
                Left::AccountNotListed(account)
                | Left::AccountOutOfReach { account, .. }
                | Left::RootKey { account, .. },
            ) => Some(account),
            _ => None,
        };
        self.record.account.as_ref().or(planned).or(left).or(self.finding.accounts.first())
    }

    /// The user on IAM's word, or else as the event names it.
    pub fn user(&self) -> Option<&UserName> {
        self.record.owner.as_ref().or_else(|| self.finding.credential.user())
    }

    /// Whether a call was refused that is made as the root user of the key's account.
    pub fn is_in_root_session(&self, failed: &Failed) -> bool {
        matches!(&failed.cause, Cause::Aws(error) if error.call.starts_with("iam:"))
            && matches!(&self.plan, Some(Plan { first: First::DeleteRootKey { .. }, .. }))
    }

    /// Joins another finding about the same credential. The one that acts decides, best one that names the user, as that
    /// saves a call; a user's key is asked for before it is taken for the root user's.
    pub fn merge(&mut self, mut other: Self) {
        let holders_differ = self.holders.iter().any(|holder| other.holders.iter().any(|named| holder.differs(named)));
        if other.weight() > self.weight() {
            std::mem::swap(self, &mut other);
        }
        let new: Vec<_> = other.holders.iter().filter(|holder| !self.holders.contains(holder)).copied().collect();
        self.holders.extend(new);
        if holders_differ {
            self.plan = None;
            self.record.left = Some(Left::HoldersDiffer);
        }
        self.join_plan(&other);
    }

    fn weight(&self) -> u8 {
        match (&self.plan, &self.record.left) {
            (_, Some(Left::HoldersDiffer)) => 6,
            (Some(Plan { first: First::SetStatus { user: Some(_), .. }, .. }), _) => 5,
            (
                Some(Plan {
                    first: First::SetStatus { user: None, .. } | First::Deny { .. } | First::Lift { .. }, ..
                }),
                _,
            ) => 4,
            (None, Some(Left::Exempt { .. })) => 3,
            (Some(Plan { first: First::DeleteRootKey { .. }, .. }), _) => 2,
            (None, _) => u8::from(self.record.outcome().needs_a_person()),
        }
    }

    /// Whether the finding asks for anything. A sample, or one below a gate, says nothing about a credential.
    fn counts(&self) -> bool {
        self.plan.is_some() || self.record.outcome().needs_a_person()
    }

    /// The accounts that the other finding names are asked, too, and what it knows about a key that is gone is not lost.
    fn join_plan(&mut self, other: &Self) {
        let if_gone = self.if_either_is_gone(other);
        let Some(plan) = &mut self.plan else { return };
        let reached =
            other.plan.iter().flat_map(Plan::accounts).filter(|_| !other.reaches_only_root_users(&plan.first));
        let more: Vec<_> = reached.filter(|account| !plan.accounts().any(|known| known == *account)).cloned().collect();
        plan.elsewhere.extend(more);
        let beyond: Vec<_> = plan.beyond.take().into_iter().chain(other.beyond(&plan.first)).collect();
        let is_asked = |place: &Beyond| plan.accounts().any(|known| *place == Beyond::Account(known.clone()));
        plan.beyond = beyond.into_iter().find(|place| !is_asked(place));
        plan.is_contradicted |= other.record.left == Some(Left::Contradictory);
        plan.is_contradicted |= other.plan.as_ref().is_some_and(|other| other.is_contradicted);
        if let Some(look) = &mut plan.look {
            look.is_repeat |= other.finding.origin.repeat;
        }
        if let (First::SetStatus { .. }, Some(if_gone)) = (&plan.first, if_gone) {
            plan.if_gone = if_gone;
        }
    }

    /// Whether its accounts can be reached as their root users, but not to do `first` there.
    fn reaches_only_root_users(&self, first: &First<'_>) -> bool {
        let own = self.plan.as_ref().map(|plan| &plan.first);
        matches!((first, own), (First::SetStatus { .. }, Some(First::DeleteRootKey { or_users: None, .. })))
    }

    /// The places that are not asked about the credential, where `first` is what is done.
    fn beyond(&self, first: &First<'_>) -> Vec<Beyond> {
        let named = &self.finding.accounts;
        match &self.plan {
            Some(plan) if self.reaches_only_root_users(first) => {
                plan.accounts().cloned().map(Beyond::Account).chain(plan.beyond.clone()).collect()
            }
            Some(plan) => plan.beyond.iter().cloned().collect(),
            None if self.counts() => {
                let unreadable = named.unreadable().cloned().map(Beyond::Unreadable);
                named.readable().iter().cloned().map(Beyond::Account).chain(unreadable).collect()
            }
            None => Vec::new(),
        }
    }

    /// What is done about a key that is gone, where another finding knows more about it. One that calls it a root user's
    /// counts first, as that can still be found out.
    fn if_either_is_gone(&self, other: &Self) -> Option<IfGone<'f>> {
        let (ours, theirs) = (self.if_gone(), other.if_gone());
        let is_exempt = matches!(other.record.left, Some(Left::Exempt { .. }));
        Some(match (ours, theirs) {
            (IfGone::RootKey { delete_in: ours }, IfGone::RootKey { delete_in: theirs }) => {
                let more: Vec<_> = theirs.into_iter().filter(|account| !ours.contains(account)).collect();
                IfGone::RootKey { delete_in: [ours, more].concat() }
            }
            (root @ IfGone::RootKey { .. }, _) | (_, root @ IfGone::RootKey { .. }) => root,
            // Nobody can tell any more whether it was the user's whom the other finding names, and EXEMPT protects.
            (IfGone::ContainOwner { user, measure, .. }, _) if is_exempt => {
                IfGone::ContainOwner { user, id: None, measure }
            }
            (
                IfGone::ContainOwner { user, id, measure },
                IfGone::ContainOwner { user: other_user, id: other_id, .. },
            ) => {
                let names_differ = user.zip(other_user).is_some_and(|(user, other)| !user.is(other));
                let ids_differ = id.zip(other_id).is_some_and(|(id, other)| id != other);
                let id = id.or(other_id).filter(|_| !names_differ && !ids_differ);
                IfGone::ContainOwner { user: user.or(other_user), id, measure }
            }
            (owner @ IfGone::ContainOwner { .. }, IfGone::Nothing)
            | (IfGone::Nothing, owner @ IfGone::ContainOwner { .. }) => owner,
            (IfGone::Nothing, IfGone::Nothing) => return None,
        })
    }

    /// What this finding alone says about a key that is gone.
    fn if_gone(&self) -> IfGone<'f> {
        let is_root = matches!(self.finding.credential, Credential::RootKey { .. }) && self.counts();
        match &self.plan {
            Some(plan) if is_root => IfGone::RootKey { delete_in: plan.accounts().cloned().collect() },
            Some(plan) => plan.if_gone.clone(),
            None if is_root => IfGone::RootKey { delete_in: Vec::new() },
            None => IfGone::Nothing,
        }
    }
}
