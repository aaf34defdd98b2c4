//! One credential from the event to the report: what the event says, what is to be done, and what was done.

use crate::credential::Credential;
use crate::failure::{Cause, Failed};
use crate::finding::Finding;
use crate::names::{AccessKeyId, AccountId, UserName};
use crate::plan::{First, IfGone, Plan};
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
}

impl Case<'_> {
    pub fn key(&self) -> Option<&AccessKeyId> {
        self.finding.credential.key()
    }

    /// The account that was acted in, or that the event names.
    pub fn account(&self) -> Option<&AccountId> {
        let planned = self.plan.as_ref().map(|plan| &plan.account);
        self.record.account.as_ref().or(planned).or(self.finding.accounts.first())
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
        if self.holder_differs(&other) {
            self.plan = None;
            self.record.left = Some(Left::HoldersDiffer);
            return;
        }
        if other.weight() > self.weight() {
            std::mem::swap(self, &mut other);
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

    /// Temporary credentials have one holder, and IAM cannot tell which.
    fn holder_differs(&self, other: &Self) -> bool {
        match (&self.finding.credential, &other.finding.credential) {
            (Credential::Session { holder, .. }, Credential::Session { holder: others, .. }) => {
                self.counts() && other.counts() && holder.differs(others)
            }
            _ => false,
        }
    }

    /// Whether the finding asks for anything. A sample, or one below a gate, says nothing about a credential.
    fn counts(&self) -> bool {
        self.plan.is_some() || self.record.outcome().needs_a_person()
    }

    /// The accounts that the other finding names are asked, too, and what it calls a root user's key is one where IAM does
    /// not know it as a user's.
    fn join_plan(&mut self, other: &Self) {
        let Some(plan) = &mut self.plan else { return };
        if let Some(other) = &other.plan {
            let more: Vec<_> =
                other.accounts().filter(|account| !plan.accounts().any(|known| known == *account)).cloned().collect();
            plan.elsewhere.extend(more);
            let beyond = [plan.beyond.take(), other.beyond.clone()];
            plan.beyond = beyond.into_iter().flatten().find(|account| !plan.accounts().any(|known| known == account));
            if let IfGone::RootKey { .. } = other.if_gone {
                plan.if_gone = other.if_gone;
            }
        }
        if other.counts() && matches!(other.finding.credential, Credential::RootKey { .. }) {
            let delete = matches!(&other.plan, Some(Plan { first: First::DeleteRootKey { .. }, .. }));
            plan.if_gone = IfGone::RootKey { delete };
        }
    }
}
