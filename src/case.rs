//! One credential from the event to the report: what the event says, what is to be done, and what was done.

use crate::finding::Finding;
use crate::names::{AccessKeyId, AccountId, UserName};
use crate::plan::{First, Plan};
use crate::record::Record;

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
        self.plan.as_ref().map(|plan| &plan.account).or(self.finding.account.as_ref())
    }

    /// The user on IAM's word, or else as the event names it.
    pub fn user(&self) -> Option<&UserName> {
        self.record.owner.as_ref().or_else(|| self.finding.credential.user())
    }

    /// Of several findings about a key the one that acts decides, best one that names the user, as that saves a call.
    pub fn weight(&self) -> u8 {
        match &self.plan {
            Some(Plan { first: First::SetStatus { user: None, .. }, .. }) => 2,
            Some(_) => 3,
            None => u8::from(self.record.outcome().needs_a_person()),
        }
    }
}
