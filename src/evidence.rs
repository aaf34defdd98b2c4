//! What a credential did, from CloudTrail's records of it: counts and names, never the records themselves.
//!
//! Everything in a record was chosen by whoever held the credential.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{AccessKeyId, ForeignText};

/// How many different names of each kind are kept: a person reads them.
const MOST: usize = 50;

/// The calls by which a credential makes others, or changes what somebody may do, and where in a record the name of what
/// was made stands: first in what was asked for, then in what was answered.
const MADE: &[(&str, &[&str])] = &[
    ("CreateUser", &["userName"]),
    ("CreateRole", &["roleName"]),
    ("CreateAccessKey", &["/accessKey/accessKeyId", "userName"]),
    ("CreateLoginProfile", &["userName"]),
    ("UpdateLoginProfile", &["userName"]),
    ("CreateServiceSpecificCredential", &["/serviceSpecificCredential/serviceSpecificCredentialId", "userName"]),
    ("ResetServiceSpecificCredential", &["serviceSpecificCredentialId"]),
    ("UploadSSHPublicKey", &["userName"]),
    ("UploadSigningCertificate", &["userName"]),
    ("CreateVirtualMFADevice", &["virtualMFADeviceName"]),
    ("EnableMFADevice", &["userName"]),
    ("DeactivateMFADevice", &["userName"]),
    ("GetFederationToken", &["name"]),
    ("GetSessionToken", &["/credentials/accessKeyId"]),
    ("AssumeRole", &["roleArn"]),
    ("AssumeRoot", &["targetPrincipal"]),
    ("CreateTrustAnchor", &["name"]),
    ("CreateProfile", &["name"]),
    ("CreateOpenIDConnectProvider", &["url"]),
    ("CreateSAMLProvider", &["name"]),
    ("UpdateSAMLProvider", &["sAMLProviderArn"]),
    ("UpdateAssumeRolePolicy", &["roleName"]),
    ("PutUserPolicy", &["userName"]),
    ("PutRolePolicy", &["roleName"]),
    ("PutGroupPolicy", &["groupName"]),
    ("AttachUserPolicy", &["userName"]),
    ("AttachRolePolicy", &["roleName"]),
    ("AttachGroupPolicy", &["groupName"]),
    ("DetachUserPolicy", &["userName"]),
    ("DeleteUserPolicy", &["userName"]),
    ("DeleteUserPermissionsBoundary", &["userName"]),
    ("DeleteRolePermissionsBoundary", &["roleName"]),
    ("AddUserToGroup", &["userName"]),
    ("CreatePolicy", &["policyName"]),
    ("CreatePolicyVersion", &["policyArn"]),
    ("SetDefaultPolicyVersion", &["policyArn"]),
    ("UpdateAccessKey", &["accessKeyId"]),
];

/// What one credential did, and the sessions that it opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Not everything could be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Since when CloudTrail was asked.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_use: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_use: Option<DateTime<Utc>>,
    source_addresses: BTreeSet<ForeignText>,
    regions: BTreeSet<ForeignText>,
    calls: BTreeMap<ForeignText, u64>,
    refused: BTreeMap<ForeignText, u64>,
    /// What it made, oldest first.
    pub made: Vec<Made>,
    /// The last call that shows that the credential itself was alive.
    #[serde(skip)]
    pub last_alive: Option<DateTime<Utc>>,
}

/// Something that a credential made or changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Made {
    /// CloudTrail's name of the call.
    pub kind: ForeignText,
    /// The name of what was made, as far as the record tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ForeignText>,
    /// When.
    pub at: DateTime<Utc>,
}

/// As much of CloudTrail's record as is read:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrailRecord {
    event_time: DateTime<Utc>,
    event_name: String,
    #[serde(default)]
    aws_region: Option<String>,
    #[serde(default, rename = "sourceIPAddress")]
    source_ip_address: Option<String>,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    user_identity: Value,
    #[serde(default)]
    request_parameters: Value,
    #[serde(default)]
    response_elements: Value,
}

impl TrailRecord {
    /// Reads a record; `None` where it is none.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The access key ID of the session that this call opened.
    pub fn opened(&self) -> Option<AccessKeyId> {
        let opened = self.response_elements.pointer("/credentials/accessKeyId")?.as_str()?;
        AccessKeyId::new(opened).filter(|_| self.error_code.is_none())
    }

    /// Whether the call shows that the credential was alive: it succeeded, or a long-term key was told who it is and what it
    /// may not do. What AWS does on behalf of somebody shows nothing, and neither do the calls that no policy stops.
    fn shows_life(&self, is_long_term: bool) -> bool {
        const FOR_WANT_OF_PERMISSION: [&str; 4] =
            ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Client.UnauthorizedOperation"];
        const UNSTOPPABLE: [&str; 2] = ["GetCallerIdentity", "GetSessionToken"];
        if self.user_identity.get("invokedBy").is_some_and(|by| !by.is_null()) {
            return false;
        }
        match &self.error_code {
            None => is_long_term || !UNSTOPPABLE.contains(&self.event_name.as_str()),
            Some(code) => is_long_term && FOR_WANT_OF_PERMISSION.contains(&code.as_str()),
        }
    }

    fn made(&self) -> Option<Made> {
        // A call that failed made nothing.
        if self.error_code.is_some() {
            return None;
        }
        let (_, places) = MADE.iter().find(|(name, _)| *name == self.event_name)?;
        let at = |place: &&str| {
            if place.starts_with('/') {
                self.response_elements.pointer(place)
            } else {
                self.request_parameters.get(*place)
            }
        };
        let name = places.iter().filter_map(at).find_map(Value::as_str);
        Some(Made { kind: ForeignText::new(&self.event_name), name: name.map(ForeignText::new), at: self.event_time })
    }
}

impl Evidence {
    /// Nothing yet, of that time.
    pub fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { from, to, ..Self::default() }
    }

    /// The access keys that the credential, or a session that it opened, has made.
    pub fn made_keys(&self) -> Vec<AccessKeyId> {
        let keys = self.made.iter().filter(|made| made.kind.as_str() == "CreateAccessKey");
        keys.filter_map(|made| AccessKeyId::new(made.name.as_ref()?.as_str())).collect()
    }

    /// Counts a record: of the credential itself, of which it is said then whether it is long-term, or of a session that it
    /// opened.
    pub fn add(&mut self, record: &TrailRecord, own: Option<bool>) {
        let time = record.event_time;
        if own.is_some_and(|is_long_term| record.shows_life(is_long_term)) {
            self.last_alive = self.last_alive.max(Some(time));
        }
        self.first_use = Some(self.first_use.map_or(time, |first| first.min(time)));
        self.last_use = Some(self.last_use.map_or(time, |last| last.max(time)));
        for (text, known) in
            [(&record.source_ip_address, &mut self.source_addresses), (&record.aws_region, &mut self.regions)]
        {
            if let Some(text) = text {
                let text = ForeignText::new(text);
                if known.len() < MOST || known.contains(&text) {
                    known.insert(text);
                } else {
                    self.partial = true;
                }
            }
        }
        let name = ForeignText::new(&record.event_name);
        let is_refused = record.error_code.is_some();
        self.partial |= !count(&mut self.calls, &name);
        if is_refused {
            self.partial |= !count(&mut self.refused, &name);
        }
        if let Some(made) = record.made() {
            if self.made.len() < MOST {
                self.made.push(made);
                self.made.sort_by_key(|made| made.at);
            } else {
                self.partial = true;
            }
        }
    }
}

/// Whether there was space for it.
fn count(counts: &mut BTreeMap<ForeignText, u64>, name: &ForeignText) -> bool {
    if counts.len() >= MOST && !counts.contains_key(name) {
        return false;
    }
    *counts.entry(name.clone()).or_default() += 1;
    true
}

/// The credentials that are looked for: the one of the finding, and one level down those that it opened.
#[derive(Debug)]
pub struct Search {
    known: BTreeSet<String>,
}

/// How many sessions of a credential are followed.
const SESSIONS: usize = 20;

impl Search {
    /// For one credential.
    pub fn of(key: &AccessKeyId) -> Self {
        Self { known: BTreeSet::from([key.as_str().to_owned()]) }
    }

    /// Whether a session is new, and so to be followed; `None` where there are too many.
    pub fn follow(&mut self, session: &AccessKeyId) -> Option<bool> {
        if self.known.contains(session.as_str()) {
            return Some(false);
        }
        (self.known.len() <= SESSIONS).then(|| self.known.insert(session.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, more: &Value) -> TrailRecord {
        let mut record = json!({
            "eventTime": "2026-11-26T04:00:00Z", "eventName": name, "awsRegion": "us-east-1",
            "sourceIPAddress": "198.51.100.7", "requestParameters": null, "responseElements": null,
        });
        for (field, value) in more.as_object().expect("an object") {
            record[field] = value.clone();
        }
        TrailRecord::read(&record.to_string()).expect("a record")
    }

    #[test]
    fn what_was_made_is_told_by_name_and_a_call_that_failed_made_nothing() {
        for (name, more, expected) in [
            ("CreateUser", json!({"requestParameters": {"userName": "eve"}}), Some(Some("eve"))),
            (
                "CreateAccessKey",
                json!({"requestParameters": {"userName": "eve"},
                       "responseElements": {"accessKey": {"accessKeyId": "AKIAI44QH8DHBEXAMPLE"}}}),
                Some(Some("AKIAI44QH8DHBEXAMPLE")),
            ),
            ("CreateAccessKey", json!({}), Some(None)),
            ("GetFederationToken", json!({"requestParameters": {"name": "x\u{202e}y"}}), Some(Some("x\\u{202e}y"))),
            (
                "AssumeRole",
                json!({"requestParameters": {"roleArn": "arn:aws:iam::1:role/a"}}),
                Some(Some("arn:aws:iam::1:role/a")),
            ),
            ("CreateUser", json!({"errorCode": "AccessDenied", "requestParameters": {"userName": "eve"}}), None),
            ("ListBuckets", json!({}), None),
        ] {
            let mut evidence = Evidence::default();
            evidence.add(&record(name, &more), Some(true));
            let made = evidence.made.first().map(|made| made.name.as_ref().map(ForeignText::as_str));
            assert_eq!(made, expected, "{name} {more}");
            assert_eq!(evidence.calls.len(), 1);
            assert_eq!(evidence.refused.len(), usize::from(more.get("errorCode").is_some()), "{name}");
        }
    }

    #[test]
    fn uses_addresses_and_regions_are_collected_and_bounded() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            let address = format!("198.51.100.{number}");
            let time = format!("2026-11-26T04:00:{:02}Z", number % 60);
            evidence.add(&record("ListBuckets", &json!({"sourceIPAddress": address, "eventTime": time})), None);
        }
        assert_eq!(evidence.source_addresses.len(), MOST);
        assert!(evidence.partial);
        assert_eq!(evidence.calls[&ForeignText::new("ListBuckets")], 100);
        assert_eq!(
            evidence.last_use.expect("a time") - evidence.first_use.expect("a time"),
            chrono::TimeDelta::seconds(59)
        );
    }

    #[test]
    fn the_sessions_that_a_credential_opened_are_followed_once_and_no_further_than_some() {
        let key = |number: usize| AccessKeyId::new(&format!("ASIAIOSFODNN7EXA{number:04}")).expect("valid");
        let mut search = Search::of(&key(0));
        assert_eq!(search.follow(&key(0)), Some(false));
        assert_eq!((search.follow(&key(1)), search.follow(&key(1))), (Some(true), Some(false)));
        assert_eq!((2..40).filter(|number| search.follow(&key(*number)) == Some(true)).count(), SESSIONS - 1);
        assert_eq!(search.follow(&key(50)), None);
    }

    #[test]
    fn a_call_that_was_authenticated_shows_that_a_key_is_alive_and_a_denied_session_that_is_refused_does_not() {
        let refused = |code: &str| json!({"errorCode": code});
        let by_aws = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}});
        for (name, more, of_key, of_session) in [
            ("ListBuckets", json!({}), true, true),
            ("ListBuckets", refused("AccessDenied"), true, false),
            ("RunInstances", refused("Client.UnauthorizedOperation"), true, false),
            ("ListBuckets", refused("InvalidClientTokenId"), false, false),
            ("GetCallerIdentity", json!({}), true, false),
            ("GetSessionToken", json!({}), true, false),
            ("CreateBucket", by_aws, false, false),
        ] {
            for (is_long_term, expected) in [(true, of_key), (false, of_session)] {
                let mut evidence = Evidence::default();
                evidence.add(&record(name, &more), Some(is_long_term));
                assert_eq!(evidence.last_alive.is_some(), expected, "{name} {more}, long-term {is_long_term}");
                let mut of_another = Evidence::default();
                of_another.add(&record(name, &more), None);
                assert_eq!(of_another.last_alive, None);
            }
        }
    }

    #[test]
    fn what_is_no_record_is_none() {
        for text in ["", "{}", "[]", r#"{"eventTime": "yesterday", "eventName": "x"}"#] {
            assert!(TrailRecord::read(text).is_none(), "{text}");
        }
    }
}
