//! Findings of Security Hub's second version, in OCSF:
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/security-hub-v2-eventbridge.html>.

use serde_json::Value;

use super::claim::Claim;
use super::detection::{
    Claimed, DetectorFinding, beside, each_finding, in_security_hub, is_about_credentials, is_access_key,
    is_guarddutys_own, is_sequence, misfits_in, original_type, severity_of_word,
};
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, json};
use crate::credential::NamedAccounts;
use crate::finding::{NotInForce, Origin, Severity};

pub(super) fn read(event: &Event) -> Read {
    each_finding(event, |finding| match is_of_guardduty(finding) {
        Ok(true) => beside(read_one(event, finding, true), misfits(finding), missing(finding)),
        Ok(false) => read_one(event, finding, false),
        Err(error) => vec![Err(error)],
    })
}

/// The parts in which a key can stand, and that are something else.
fn misfits(finding: Fields<'_>) -> Vec<EventError> {
    let evidences = misfits_in(finding, "evidences", &["actor", "actor.user"]);
    misfits_in(finding, "resources", &[]).into_iter().chain(evidences).collect()
}

/// What every finding of GuardDuty's has.
fn missing(finding: Fields<'_>) -> Option<EventError> {
    let mut kinds = finding.texts("finding_info.types").filter_map(original_type);
    let needs_actors = kinds.any(|kind| is_sequence(&kind) && !is_about_credentials(&kind));
    let lacks = |list: &str| finding.objects(list).next().is_none();
    let field = if lacks("resources") { Some("resources") } else { needs_actors.then_some("evidences") };
    field.filter(|field| lacks(field)).map(|field| EventError::mandatory(field, "an array of objects"))
}

/// Whether the finding is GuardDuty's own, if it has all that is needed to tell. The identifier of a product is optional,
/// and one that bears another name is not GuardDuty: <https://schema.ocsf.io/1.6.0/objects/product>.
fn is_of_guardduty(finding: Fields<'_>) -> Result<bool, EventError> {
    let product = finding.at("metadata.product");
    let of_guardduty = match (product.text("uid"), product.text("name")) {
        (Some(uid), _) => is_guarddutys_own(uid),
        (None, Some(name)) if !name.to_ascii_lowercase().contains("guardduty") => false,
        (None, _) => return Err(EventError::mandatory("metadata.product.uid", "a text")),
    };
    if of_guardduty && finding.texts("finding_info.types").next().is_none() {
        return Err(EventError::mandatory("finding_info.types", "an array of texts"));
    }
    Ok(of_guardduty)
}

fn read_one(event: &Event, finding: Fields<'_>, of_guardduty: bool) -> Read {
    let account = finding.value("cloud.account.uid");
    let accounts = accounts::of_event(&[account], event);
    let is_key = |resource: &Fields<'_>| {
        resource.text("type").is_some_and(is_access_key) || resource.text("data.access_key_id").is_some()
    };
    let keys = finding.objects("resources").filter(is_key);
    let keys = keys.map(|resource| {
        let places = [
            account,
            resource.value("owner.account.uid"),
            resource.value("account.uid"),
            accounts::in_arn(resource.value("uid")),
        ];
        claimed(resource, accounts::of_event(&places, event))
    });
    let (origin, kind) = in_security_hub(
        event,
        finding.text("finding_info.uid"),
        finding.texts("finding_info.types"),
        finding.text("cloud.region"),
    );
    let is_sequence = kind.as_deref().is_some_and(is_sequence);
    let claimed = keys.chain(actors(finding, is_sequence, &accounts)).collect();
    let detected = DetectorFinding {
        origin: Origin { severity: on_guarddutys_scale(finding), ..origin },
        kind,
        not_in_force: not_in_force(finding).or((!of_guardduty).then_some(NotInForce::OtherProduct)),
        chosen: false,
        kind_field: "finding_info.types",
        severity_field: "severity_id",
    };
    detected.findings(claimed, accounts)
}

fn claimed(resource: Fields<'_>, accounts: NamedAccounts) -> Claimed {
    // `data` is an object, or the JSON text of one.
    let in_text: Option<Value> = resource.text("data").and_then(json::parse).map(|parsed| parsed.value);
    let key = in_text.as_ref().map_or(resource.at("data"), Fields::of);
    let id = key.text("access_key_id");
    let uid = resource.text("uid");
    // A resource may be named after itself.
    let name = resource.text("name").filter(|name| ![id, uid].contains(&Some(*name)));
    let claim = Claim {
        key: id,
        user: key.text("user_name").or(resource.text("user.name")).or(name),
        user_type: key.text("user_type"),
        principal: key.text("principal_id").or(resource.text("user.uid")),
    };
    Claimed::resource(claim, uid, accounts)
}

/// The users in the evidence who have a key: <https://schema.ocsf.io/1.6.0/objects/user>. In an attack sequence one without
/// a key counts too, unless another piece of the evidence has his key. Evidence repeats itself, so each counts once.
fn actors(finding: Fields<'_>, is_sequence: bool, of_finding: &NamedAccounts) -> Vec<Claimed> {
    let users: Vec<_> = finding.objects("evidences").filter_map(|evidence| evidence.object("actor.user")).collect();
    let key = |user: Fields<'_>| has_text(user, "credential_uid");
    let has_a_key = |user: Fields<'_>| {
        let is_same = |other: Fields<'_>| ["name", "uid"].into_iter().all(|name| other.text(name) == user.text(name));
        users.iter().any(|other| key(*other) && is_same(*other))
    };
    let mut actors: Vec<Claimed> = Vec::new();
    for user in users.iter().copied().filter(|user| key(*user) || is_sequence && !has_a_key(*user)) {
        let actor = Claimed::actor(user.text("credential_uid"), user, of_finding);
        if !actors.contains(&actor) {
            actors.push(actor);
        }
    }
    actors
}

fn has_text(fields: Fields<'_>, name: &str) -> bool {
    fields.text(name).is_some_and(|text| !text.trim().is_empty())
}

/// The level; where it says `Other` or `Unknown` the vendor's own: <https://schema.ocsf.io/1.6.0/classes/detection_finding>,
/// <https://schema.ocsf.io/1.6.0/objects/vendor_attributes>.
fn on_guarddutys_scale(finding: Fields<'_>) -> Option<Severity> {
    let vendors = finding.at("vendor_attributes");
    let level = |of: Fields<'_>| of.whole_number("severity_id").and_then(severity_of_level);
    let word = |of: Fields<'_>| of.text("severity").and_then(severity_of_word);
    // The vendor's number is a level as well (`High` stands beside 4), but GuardDuty's own severity has been reported in
    // its place: so the word counts first, and a number that is no level is a severity.
    let vendors = || word(vendors).or_else(|| level(vendors)).or_else(|| vendors.number("severity_id"));
    level(finding).or_else(|| word(finding)).or_else(vendors).and_then(Severity::new)
}

/// A level means the lowest value of its range, as a word does.
fn severity_of_level(level: u64) -> Option<f64> {
    let word = match level {
        1 => "Informational",
        2 => "Low",
        3 => "Medium",
        4 => "High",
        5 => "Critical",
        6 => "Fatal",
        _ => return None,
    };
    severity_of_word(word)
}

/// The number, where it is one that says something; else the word.
fn not_in_force(finding: Fields<'_>) -> Option<NotInForce> {
    let number = finding.whole_number("status_id").filter(|number| (1..=5).contains(number));
    match (number, finding.text("status")) {
        (Some(3), _) | (None, Some("Suppressed")) => Some(NotInForce::Suppressed),
        (Some(4), _) | (None, Some("Resolved")) => Some(NotInForce::Resolved),
        (Some(5), _) | (None, Some("Archived")) => Some(NotInForce::Archived),
        _ => (finding.text("activity_name") == Some("Close")).then_some(NotInForce::Resolved),
    }
}
