//! A sample played in an account of the mock: Bob and Carol are in it, with two keys each.

use serde_json::Value;

use super::ids::{KEY, OTHER_KEY, OWN};
use super::samples::{Key, Sample};
use super::{Account, Moto, event, replaced};

pub struct Stage {
    pub sample: &'static Sample,
    pub account: Account,
    /// The sample with the account and the first keys of Bob and Carol in it.
    pub event: Value,
    users: [User; 2],
}

struct User {
    name: &'static str,
    named: String,
    other: String,
    expected: Key,
}

impl Stage {
    pub async fn set(moto: &Moto, account: &str, sample: &'static Sample) -> Self {
        let account = Account::new(moto, account).await;
        let [bob, bobs_other] = account.user("Bob").await;
        let [carol, carols_other] = account.user("Carol").await;
        if sample.event == "command-restore" {
            account.set_status("Bob", &bob, "Inactive").await;
        }
        let event = replaced(&event(sample.event), &[(KEY, &bob), (OTHER_KEY, &carol), (OWN, &account.id)]);
        let users = [
            User { name: "Bob", named: bob, other: bobs_other, expected: sample.bob },
            User { name: "Carol", named: carol, other: carols_other, expected: sample.carol },
        ];
        Self { sample, account, event, users }
    }

    /// Where IAM's word about the keys is not what the table of samples says.
    pub async fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for user in &self.users {
            let keys = self.account.keys(user.name).await;
            for (key, expected) in [(&user.named, user.expected), (&user.other, Key::Active)] {
                let found = keys.get(key).map_or("Gone", String::as_str);
                if found != format!("{expected:?}") {
                    differences.push(format!("{}'s key {key} is {found}, not {expected:?}", user.name));
                }
            }
        }
        differences
    }
}
