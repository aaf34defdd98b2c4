use serde_json::json;

use super::*;
use crate::credential::{Credential, Holder, NamedAccounts};
use crate::finding::{Basis, NotInForce, Severity};
use crate::names::{AccessKeyId, AccountId, UserId, UserName};

fn finding(source: &str, detail_type: &str, detail: &Value) -> Finding {
    let event = json!({"source": source, "detail-type": detail_type, "region": "us-east-1", "detail": detail});
    only(&event).expect("a finding")
}

/// What there is to an input that holds one thing.
fn only(input: &Value) -> Result<Finding, EventError> {
    let mut items = read(&input.to_string());
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0).content
}

#[test]
fn an_origin_holds_arn_region_and_repeat_where_the_source_gives_them() {
    let arn = "arn:aws:x:eu-west-1:123456789012:y";
    let guardduty = |detail| finding("aws.guardduty", "GuardDuty Finding", &detail);
    let asff = |changes| asff("Security Hub Findings - Imported", &changes);
    let ocsf = |changes| ocsf(&changes);
    let health = |detail| finding("aws.health", "AWS Health Event", &detail);
    let count = |count: Value| json!({"ProductFields": {"aws/guardduty/service/count": count}});
    for (finding, expected) in [
        (guardduty(json!({"type": "x", "resource": {}})), (None, "us-east-1", false)),
        (
            guardduty(json!({"type": "x", "arn": arn, "region": "eu-west-1", "service": {"count": 2}, "resource": {}})),
            (Some(arn), "eu-west-1", true),
        ),
        (
            guardduty(json!({"Type": "x", "Arn": arn, "Region": 1, "Service": {"Count": 1}, "Resource": {}})),
            (Some(arn), "us-east-1", false),
        ),
        (asff(json!({"Id": arn, "Region": "eu-west-1"})), (Some(arn), "eu-west-1", false)),
        (asff(json!({"Id": "no ARN"})), (None, "us-east-1", false)),
        (asff(count(json!("2"))), (None, "us-east-1", true)),
        (asff(count(json!(2))), (None, "us-east-1", true)),
        (asff(count(json!("1"))), (None, "us-east-1", false)),
        (asff(count(json!("many"))), (None, "us-east-1", false)),
        (
            ocsf(
                json!({"finding_info": {"types": ["x"], "uid": arn}, "resources": [{}], "cloud": {"region": "eu-west-1"}}),
            ),
            (Some(arn), "eu-west-1", false),
        ),
        (
            ocsf(json!({"finding_info": {"types": ["x"], "uid": "no ARN"}, "resources": [{}]})),
            (None, "us-east-1", false),
        ),
        (
            health(json!({"eventTypeCode": "AWS_RISK_X", "eventArn": arn, "eventRegion": "eu-west-1"})),
            (Some(arn), "eu-west-1", false),
        ),
        (health(json!({"eventTypeCode": "AWS_RISK_X"})), (None, "us-east-1", false)),
        (finding("com.example", "x", &json!({})), (None, "us-east-1", false)),
    ] {
        let Origin { arn, region, repeat, .. } = &finding.origin;
        let found = (arn.as_ref().map(ForeignText::as_str), region.as_ref().map(ForeignText::as_str), *repeat);
        assert_eq!(found, (expected.0, Some(expected.1), expected.2), "{finding:?}");
    }
}

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

#[test]
fn helper_fields_of_the_envelope_never_make_an_event_unreadable() {
    for odd in [json!(null), json!(1), json!(1.5), json!(true), json!(["x", 1]), json!({"x": 1}), json!("x")] {
        let mut event = json!({"source": "com.example", "detail-type": "x", "detail": {"accessKeyId": KEY}});
        for field in ["account", "id", "region", "resources", "time", "version", "another"] {
            event[field] = odd.clone();
        }
        let finding = only(&event).expect("a finding");
        assert_eq!(finding.credential.key().map(AccessKeyId::as_str), Some(KEY), "{odd}");
        assert_eq!(finding.origin.region.is_some(), odd.is_string(), "{odd}");
    }
    let event = json!({"source": "aws.health", "detail-type": "AWS Health Event", "account": 12, "resources": [1, KEY],
                       "detail": {"eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED"}});
    let finding = only(&event).expect("a finding");
    assert_eq!(finding.accounts.first().map(AccountId::as_str), Some("000000000012"));
    assert_eq!(finding.credential.key().map(AccessKeyId::as_str), Some(KEY));
}

#[test]
fn what_nobody_reads_cannot_make_an_event_unreadable_however_deep_it_stands() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for odd in [r#""\ud800""#, "1e999", &deep] {
        let event = format!(
            r#"{{"source": "com.example", "detail-type": "x", "odd": {odd}, "detail": {{"odd": {odd}, "accessKeyId": "{KEY}"}}}}"#
        );
        let in_sqs = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": event}]}).to_string();
        let published = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": event}}]}).to_string();
        for input in [event, in_sqs, published] {
            let finding = read(&input).pop().expect("an item").content.expect("a finding");
            assert_eq!(finding.credential.key().map(AccessKeyId::as_str), Some(KEY), "{input}");
        }
    }
}

#[test]
fn the_record_of_a_failed_invocation_is_an_envelope_but_none_of_a_command() {
    let event = json!({"source": "com.example", "detail-type": "x", "detail": {"accessKeyId": KEY}});
    let record = |payload: &Value| {
        json!({"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": payload,
               "responseContext": {"statusCode": 200}, "responsePayload": {"errorType": "Failure"}})
    };
    let on_a_bus = |record: Value| json!({"source": "lambda", "detail-type": "Lambda Function Invocation Result - Failure", "detail": record});
    let in_sqs =
        |record: &Value| json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": record.to_string()}]});
    let good = record(&event);
    for input in
        [good.clone(), json!([good]), in_sqs(&good), record(&good), on_a_bus(good.clone()), record(&in_sqs(&event))]
    {
        let finding = only(&input).expect("a finding");
        assert_eq!(finding.credential.key().map(AccessKeyId::as_str), Some(KEY), "{input}");
    }
    let command = record(&json!({"DeleteAccessKey": {"AccessKeyId": KEY}}));
    for (input, kind, field) in [
        (command.clone(), Unreadable::Command, "requestPayload"),
        (in_sqs(&command), Unreadable::Command, "Records[0].body.requestPayload"),
        (on_a_bus(command.clone()), Unreadable::Command, "detail.requestPayload"),
        (record(&command), Unreadable::Command, "requestPayload.requestPayload"),
        (record(&json!(null)), Unreadable::Input, "requestPayload"),
        (record(&json!({"source": "x", "detail-type": "y"})), Unreadable::Event, "requestPayload.detail"),
    ] {
        let error = only(&input).expect_err("an error");
        assert_eq!((error.kind, error.field.as_str()), (kind, field), "{input}");
    }
    for half in [json!({}), json!(null), json!("x"), json!({"requestPayload": event}), json!({"requestContext": {}})] {
        let error = only(&on_a_bus(half)).expect_err("an error");
        assert_eq!((error.kind, error.field.as_str()), (Unreadable::Envelope, "detail.requestPayload"));
    }
}

const GUARDDUTY: (&str, &str) = ("aws.guardduty", "GuardDuty Finding");
const IMPORTED: (&str, &str) = ("aws.securityhub", "Security Hub Findings - Imported");
const CHOSEN: (&str, &str) = ("aws.securityhub", "Security Hub Findings - Custom Action");
const V2: (&str, &str) = ("aws.securityhub", "Findings Imported V2");
const HEALTH: (&str, &str) = ("aws.health", "AWS Health Event");
const ADVISOR: (&str, &str) = ("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification");
const CLOUDTRAIL: (&str, &str) = ("aws.iam", "AWS API Call via CloudTrail");
const GUARDDUTYS_PRODUCT: &str = "arn:aws:securityhub:us-east-1::product/aws/guardduty";

#[test]
fn a_known_event_without_its_mandatory_part_is_an_error_that_names_it() {
    let other = "arn:aws:securityhub:us-east-1::product/aws/macie";
    for ((source, detail_type), detail, field) in [
        (GUARDDUTY, json!({}), "detail.type"),
        (GUARDDUTY, json!("{}"), "detail"),
        (GUARDDUTY, json!({"findings": [{"type": "Policy:S3/X"}]}), "detail.type"),
        (GUARDDUTY, json!({"Findings": []}), "detail.type"),
        (GUARDDUTY, json!({"type": ["Policy:S3/X"]}), "detail.type"),
        (GUARDDUTY, json!({"type": ""}), "detail.type"),
        (GUARDDUTY, json!({"type": "A:S3/X", "resource": []}), "detail.resource"),
        (
            GUARDDUTY,
            json!({"type": "A:S3/X", "resource": {"accessKeyDetails": KEY}}),
            "detail.resource.accessKeyDetails",
        ),
        (
            GUARDDUTY,
            json!({"type": "AttackSequence:S3/X", "service": {"detection": {"sequence": {"actors": {}}}}}),
            "detail.service.detection.sequence.actors",
        ),
        (IMPORTED, json!({}), "detail.findings"),
        (IMPORTED, json!({"findings": []}), "detail.findings"),
        (IMPORTED, json!({"findings": [{}]}), "detail.findings[0].ProductArn"),
        (IMPORTED, json!({"findings": [{"ProductArn": GUARDDUTYS_PRODUCT}]}), "detail.findings[0].Resources"),
        (
            IMPORTED,
            json!({"findings": [{"ProductArn": GUARDDUTYS_PRODUCT, "Resources": []}]}),
            "detail.findings[0].Types",
        ),
        (CHOSEN, json!({"findings": []}), "detail.findings"),
        (CHOSEN, json!({"findings": [{}]}), "detail.findings[0].Resources"),
        (V2, json!({"findings": []}), "detail.findings"),
        (V2, json!({"findings": [{}]}), "detail.findings[0].metadata.product.uid"),
        (
            V2,
            json!({"findings": [{"metadata": {"product": {"name": "GuardDuty"}}}]}),
            "detail.findings[0].metadata.product.uid",
        ),
        (
            V2,
            json!({"findings": [{"metadata": {"product": {"uid": GUARDDUTYS_PRODUCT}}}]}),
            "detail.findings[0].finding_info.types",
        ),
        (HEALTH, json!({}), "detail.eventTypeCode"),
        (ADVISOR, json!({}), "detail.check-name"),
        (ADVISOR, json!({"check-name": "Exposed Access Keys"}), "detail.check-item-detail"),
        (CLOUDTRAIL, json!({}), "detail.eventName"),
        (CLOUDTRAIL, json!(null), "detail"),
    ] {
        let event = json!({"source": source, "detail-type": detail_type, "detail": detail});
        let error = only(&event).expect_err(field);
        assert_eq!((error.kind, error.field.as_str()), (Unreadable::Event, field), "{detail}");
    }
    for ((source, detail_type), detail) in [
        (GUARDDUTY, json!({"type": "A:S3/X", "resource": {}})),
        (V2, json!({"findings": [{"metadata": {"product": {"name": "Inspector", "vendor_name": "AWS"}}}]})),
        (GUARDDUTY, json!({"Type": "A:S3/X", "Resource": {"AccessKeyDetails": null}})),
        (("aws.guardduty", "GuardDuty Runtime Protection Healthy"), json!({})),
        (IMPORTED, json!({"findings": [{"ProductArn": other}]})),
        (V2, json!({"findings": [{"metadata": {"product": {"uid": other}}}]})),
        (HEALTH, json!({"eventTypeCode": "AWS_EC2_X"})),
        (ADVISOR, json!({"check-name": "Another"})),
        (CLOUDTRAIL, json!({"eventName": "CreateUser"})),
    ] {
        let event = json!({"source": source, "detail-type": detail_type, "detail": detail});
        assert_eq!(only(&event).expect("a finding").credential, Credential::None, "{detail}");
    }
}

#[test]
fn a_part_in_which_a_key_can_stand_must_be_there_and_be_what_it_should_be() {
    const SEQUENCE: &str = "detail.service.detection.sequence";
    let sequence = |service: Value| json!({"type": "AttackSequence:S3/X", "service": service});
    let actors = |actors: Value| sequence(json!({"detection": {"sequence": {"actors": actors}}}));
    let imported = |resources: Value| json!({"findings": [{"ProductArn": GUARDDUTYS_PRODUCT, "Types": ["TTPs/A:S3-X"], "Resources": resources}]});
    let v2_sequence = |evidences: Value| {
        json!({"findings": [{"metadata": {"product": {"uid": GUARDDUTYS_PRODUCT}},
                             "finding_info": {"types": ["AttackSequence:S3/X"]},
                             "resources": [{}], "evidences": evidences}]})
    };
    let v2 = |resources: Value, evidences: Value| {
        json!({"findings": [{"metadata": {"product": {"uid": GUARDDUTYS_PRODUCT}}, "finding_info": {"types": ["A:S3/X"]},
                             "resources": resources, "evidences": evidences}]})
    };
    for ((source, detail_type), detail, field) in [
        (GUARDDUTY, json!({"type": "A:S3/X"}), "detail.resource"),
        (GUARDDUTY, json!({"type": "A:S3/X", "resource": null}), "detail.resource"),
        (
            GUARDDUTY,
            json!({"type": "A:S3/X", "resource": {"resourceType": "AccessKey"}}),
            "detail.resource.accessKeyDetails",
        ),
        (GUARDDUTY, sequence(json!(null)), SEQUENCE),
        (GUARDDUTY, sequence(json!("x")), "detail.service"),
        (GUARDDUTY, sequence(json!([])), "detail.service"),
        (GUARDDUTY, sequence(json!({"detection": "x"})), "detail.service.detection"),
        (GUARDDUTY, sequence(json!({"detection": {"sequence": []}})), SEQUENCE),
        (GUARDDUTY, actors(json!(["x"])), "detail.service.detection.sequence.actors[0]"),
        (GUARDDUTY, actors(json!([{}, {"user": []}])), "detail.service.detection.sequence.actors[1].user"),
        (IMPORTED, imported(json!([])), "detail.findings[0].Resources"),
        (IMPORTED, imported(json!(["x"])), "detail.findings[0].Resources[0]"),
        (
            IMPORTED,
            imported(json!([{"Details": {"AwsIamAccessKey": KEY}}])),
            "detail.findings[0].Resources[0].Details.AwsIamAccessKey",
        ),
        (V2, v2(json!(null), json!(null)), "detail.findings[0].resources"),
        (V2, v2(json!([]), json!(null)), "detail.findings[0].resources"),
        (V2, v2(json!({}), json!(null)), "detail.findings[0].resources"),
        (V2, v2(json!([{}]), json!("x")), "detail.findings[0].evidences"),
        (V2, v2(json!([{}]), json!([{"actor": {"user": "Bob"}}])), "detail.findings[0].evidences[0].actor.user"),
        (V2, v2(json!([{}]), json!([{"actor": [{"user": {}}]}])), "detail.findings[0].evidences[0].actor"),
        (V2, v2_sequence(json!(null)), "detail.findings[0].evidences"),
        (V2, v2_sequence(json!([])), "detail.findings[0].evidences"),
        (GUARDDUTY, sequence(json!({"detection": {"sequence": {}}})), SEQUENCE),
    ] {
        let event = json!({"source": source, "detail-type": detail_type, "detail": detail});
        let error = only(&event).expect_err(field);
        assert_eq!((error.kind, error.field.as_str()), (Unreadable::Event, field), "{detail}");
    }
    for detail in [actors(json!([])), actors(json!([{}, {"user": null}, null]))] {
        let event = json!({"source": GUARDDUTY.0, "detail-type": GUARDDUTY.1, "detail": detail});
        assert_eq!(only(&event).expect("a finding").credential, Credential::None, "{detail}");
    }
}

/// The findings of Security Hub's first version, as far as they matter here.
fn asff(detail_type: &str, changes: &Value) -> Finding {
    let mut one = json!({"ProductArn": "arn:aws:securityhub:us-east-1::product/aws/guardduty",
                         "AwsAccountId": "123456789012", "Types": ["TTPs/Impact/IAMUser-AnomalousBehavior"],
                         "Severity": {"Product": 8},
                         "Resources": [{"Type": "AwsIamAccessKey", "Id": KEY}]});
    change(&mut one, changes);
    finding("aws.securityhub", detail_type, &json!({"findings": [one]}))
}

/// Those of the second.
fn ocsf(changes: &Value) -> Finding {
    let mut one = json!({"metadata": {"product": {"uid": "arn:aws:securityhub:us-east-1::productv2/aws/guardduty"}},
                         "finding_info": {"types": ["UnauthorizedAccess:IAMUser/TorIPCaller"]}, "severity_id": 4,
                         "cloud": {"account": {"uid": "123456789012"}},
                         "resources": [{"type": "AWS::IAM::AccessKey", "uid": KEY}]});
    change(&mut one, changes);
    finding("aws.securityhub", "Findings Imported V2", &json!({"findings": [one]}))
}

fn change(one: &mut Value, changes: &Value) {
    for (field, value) in changes.as_object().expect("fields") {
        one[field] = value.clone();
    }
}

#[test]
fn a_severity_is_the_products_own_word_before_what_was_made_of_it() {
    let imported = |changes| asff("Security Hub Findings - Imported", &changes);
    for (finding, expected) in [
        (imported(json!({"Severity": {"Product": 3.5, "Label": "HIGH", "Normalized": 90}})), 3.5),
        (imported(json!({"Severity": {"Label": "LOW", "Normalized": 40}})), 1.0),
        (imported(json!({"Severity": {"Normalized": 40}})), 4.0),
        (imported(json!({"Severity": null, "FindingProviderFields": {"Severity": {"Label": "HIGH"}}})), 7.0),
        (ocsf(&json!({})), 7.0),
        (ocsf(&json!({"severity_id": 3, "severity": "High"})), 4.0),
        (ocsf(&json!({"severity_id": 99, "severity": "High"})), 7.0),
        (ocsf(&json!({"severity_id": 0, "severity": "Unknown", "vendor_attributes": {"severity": "Low"}})), 1.0),
        (ocsf(&json!({"severity_id": 99, "vendor_attributes": {"severity": "High", "severity_id": 4}})), 7.0),
        (ocsf(&json!({"severity_id": 99, "vendor_attributes": {"severity_id": 3}})), 4.0),
        (ocsf(&json!({"severity_id": 99, "vendor_attributes": {"severity_id": 8}})), 8.0),
        (ocsf(&json!({"severity_id": null, "vendor_attributes": {"severity_id": 2.5}})), 2.5),
    ] {
        assert_eq!(finding.origin.severity.map(Severity::value), Some(expected), "{finding:?}");
    }
}

#[test]
fn a_status_that_says_nothing_leaves_it_to_the_word() {
    for (status, expected) in [
        (json!({"status_id": 99, "status": "Suppressed"}), Some(NotInForce::Suppressed)),
        (json!({"status_id": 0, "status": "Archived"}), Some(NotInForce::Archived)),
        (json!({"status_id": 1, "status": "Resolved"}), None),
        (json!({"status_id": 99, "status": "Other"}), None),
        (json!({"status_id": 99, "activity_name": "Close"}), Some(NotInForce::Resolved)),
    ] {
        assert_eq!(ocsf(&status).not_in_force, expected, "{status}");
    }
}

#[test]
fn types_and_products_are_known_in_all_their_forms() {
    let imported = |changes| asff("Security Hub Findings - Imported", &changes);
    let provider =
        json!({"Types": null, "FindingProviderFields": {"Types": ["TTPs/Impact/IAMUser-AnomalousBehavior"]}});
    let v2_product = json!({"ProductArn": "arn:aws:securityhub:us-east-1::productv2/aws/guardduty"});
    let old_product = json!({"metadata": {"product": {"uid": "arn:aws:securityhub:us-east-1::product/aws/guardduty"}}});
    let namespace = json!({"finding_info": {"types": ["Threats", "TTPs/AttackSequence:S3/CompromisedData"]}});
    for (finding, expected) in [
        (imported(json!({})), "Impact:IAMUser/AnomalousBehavior"),
        (imported(provider), "Impact:IAMUser/AnomalousBehavior"),
        (imported(v2_product), "Impact:IAMUser/AnomalousBehavior"),
        (ocsf(&old_product), "UnauthorizedAccess:IAMUser/TorIPCaller"),
        (ocsf(&namespace), "AttackSequence:S3/CompromisedData"),
    ] {
        assert_eq!(finding.not_in_force, None, "{finding:?}");
        assert!(matches!(&finding.basis, Basis::Detection { kind, .. } if kind == expected), "{finding:?}");
    }
}

#[test]
fn a_person_who_chose_a_finding_without_a_key_is_heard() {
    let chosen = |changes| asff("Security Hub Findings - Custom Action", &changes);
    let unidentified = |holder| Credential::Unidentified { given: None, holder };
    let bob = || Holder::User { name: UserName::new("Bob"), id: UserId::new("AIDACKCEVSQ6C2EXAMPLE") };
    let user = json!({"Type": "AwsIamUser", "Id": "arn:aws:iam::123456789012:user/team/Bob",
                      "Details": {"AwsIamUser": {"UserId": "AIDACKCEVSQ6C2EXAMPLE"}}});
    for (resources, holder) in [
        (json!([user]), bob()),
        (json!([{"Type": "AwsAccount", "Id": "AWS::::Account:123456789012"}, user]), bob()),
        (json!([{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::x"}]), Holder::Unknown(None)),
        (json!([]), Holder::Unknown(None)),
    ] {
        let changes = json!({"Resources": resources, "Types": ["Software and Configuration Checks/X"]});
        let finding = chosen(changes);
        assert_eq!((finding.basis, finding.credential), (Basis::Report, unidentified(holder)), "{resources}");
    }
    let key = json!({"Type": "AwsIamAccessKey", "Id": KEY});
    assert!(matches!(chosen(json!({"Resources": [user, key]})).credential, Credential::UserKey { .. }));
}

#[test]
fn the_key_of_an_actor_in_the_evidence_counts_once() {
    let actor = |key: Value, uid: &str| json!({"actor": {"user": {"name": "Bob", "uid": uid, "credential_uid": key}}});
    let keys = |types: Value, evidences: Value| {
        let one = json!({"metadata": {"product": {"uid": "arn:aws:securityhub:us-east-1::productv2/aws/guardduty"}},
                         "finding_info": {"types": types}, "severity_id": 5, "evidences": evidences});
        let event = json!({"source": "aws.securityhub", "detail-type": "Findings Imported V2",
                           "detail": {"findings": [one]}});
        let items = read(&event.to_string()).into_iter().map(|item| item.content.expect("a finding").credential);
        items.map(|credential| credential.key().map(ToString::to_string)).collect::<Vec<_>>()
    };
    let (bob, other) = ("AIDACKCEVSQ6C2EXAMPLE", "AIDACKCEVSQ6CEXAMPLE2");
    let key = || Some(KEY.to_owned());
    let sequence = || json!(["AttackSequence:S3/CompromisedData"]);
    let evidences =
        json!([null, {"src_endpoint": {}}, actor(json!(KEY), bob), actor(json!(KEY), bob), actor(json!(null), bob)]);
    assert_eq!(keys(sequence(), evidences), [key()]);
    let two = json!([actor(json!(KEY), bob), actor(json!(""), other)]);
    assert_eq!(keys(sequence(), two.clone()), [key(), None]);
    assert_eq!(keys(json!(["Impact:S3/MaliciousIPCaller"]), two), [key()]);
}

#[test]
fn the_accounts_of_actors_and_callers_stand_beside_the_findings() {
    let (own, other) = ("123456789012", "111122223333");
    let actor = |account: Value| json!({"user": {"credentialUid": KEY, "account": {"uid": account}}});
    let sequence = |account: Value, actors: Value| {
        json!({"type": "AttackSequence:S3/X", "severity": 9, "accountId": account,
               "service": {"detection": {"sequence": {"actors": [actor(actors)]}}}})
    };
    let called = |account: Value, remote: Value| {
        json!({"type": "Impact:IAMUser/X", "severity": 8, "accountId": account,
               "resource": {"accessKeyDetails": {"accessKeyId": KEY}},
               "service": {"action": {"awsApiCallAction": {"remoteAccountDetails": {"accountId": remote}}}}})
    };
    let of = |accounts: &[&str]| NamedAccounts::of(accounts.iter().filter_map(|account| AccountId::new(account)));
    let unreadable = || NamedAccounts::of_unreadable(ForeignText::new("x"));
    let used_in_other = || of(&[own]).or_where_it_was_used(of(&[other]));
    assert_eq!(used_in_other().readable(), of(&[own, other]).readable());
    for (detail, expected) in [
        (sequence(json!(own), json!(other)), used_in_other()),
        (sequence(json!(own), json!(own)), of(&[own])),
        (sequence(json!(own), json!(null)), of(&[own])),
        (sequence(json!("x"), json!(other)), unreadable().or_where_it_was_used(of(&[other]))),
        (sequence(json!(own), json!("x")), of(&[own]).and(unreadable())),
        (sequence(json!("x"), json!("y")), unreadable()),
        (called(json!(own), json!(other)), used_in_other()),
        (called(json!(own), json!(own)), of(&[own])),
        (called(json!(own), json!("x")), of(&[own]).and(unreadable())),
        (called(json!("x"), json!(other)), unreadable()),
    ] {
        assert_eq!(finding("aws.guardduty", "GuardDuty Finding", &detail).accounts, expected, "{detail}");
    }
}

#[test]
fn a_quarantine_that_failed_is_reported_like_one_that_succeeded() {
    for code in [json!(null), json!("LimitExceededException"), json!("AccessDenied")] {
        let detail = json!({"eventName": "AttachUserPolicy", "errorCode": code, "requestParameters": {
            "userName": "Bob", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}});
        let finding = finding("aws.iam", "AWS API Call via CloudTrail", &detail);
        assert_eq!(finding.basis, Basis::Notice, "{code}");
        assert_eq!(finding.credential.user().map(UserName::as_str), Some("Bob"), "{code}");
    }
}

#[test]
fn a_row_can_stand_for_every_source_that_begins_alike() {
    let row = READERS.iter().find(|row| row.0.ends_with('*')).expect("a row with a prefix");
    for (source, fits) in [("aws.partner/example.com/1", true), ("aws.partner", false), ("aws.health", false)] {
        let event = json!({"source": source, "detail-type": "x", "detail": {}});
        let event = Event::of(event.as_object().cloned().expect("an object")).expect("an event");
        assert_eq!(row.fits(&event), fits, "{source}");
    }
    for detail in [json!({"accessKeyId": KEY}), json!({})] {
        assert_eq!(finding("aws.partner/example.com/1", "x", &detail).basis, Basis::Custom);
        let aws = finding("aws.macie", "x", &detail);
        assert_eq!(aws.credential == Credential::None, detail == json!({}));
    }
}

#[test]
fn what_cannot_be_read_tells_its_kind() {
    for (input, kind, field) in [
        (json!("text"), Unreadable::Input, "the input"),
        (json!([{"detail": {}}]), Unreadable::Input, "[0]"),
        (json!([]), Unreadable::Envelope, "the input"),
        (json!({"Records": [{"eventSource": "aws:sqs", "body": "{"}]}), Unreadable::Envelope, "Records[0].body"),
        (json!({"source": "x", "detail-type": 1, "detail": {}}), Unreadable::Event, "detail-type"),
        (json!({"DeleteAccessKey": {}}), Unreadable::Command, "DeleteAccessKey.AccessKeyId"),
    ] {
        let error = only(&input).expect_err("an error");
        assert_eq!((error.kind, error.field.as_str()), (kind, field));
    }
    let error = read("{").pop().expect("an item").content.expect_err("an error");
    assert_eq!((error.kind, error.field.as_str()), (Unreadable::Input, "the input"));
}

#[test]
fn a_resource_has_its_own_places_for_the_account_after_the_findings() {
    let (own, other) = ("123456789012", "111122223333");
    let of = |accounts: &[&str]| NamedAccounts::of(accounts.iter().filter_map(|account| AccountId::new(account)));
    let unreadable = || NamedAccounts::of_unreadable(ForeignText::new("x"));
    let v1 = |account: Value, resource: Value| {
        asff("Security Hub Findings - Imported", &json!({"AwsAccountId": account, "Resources": [resource]}))
    };
    let v2 = |account: Value, resource: Value| {
        ocsf(&json!({"cloud": {"account": {"uid": account}}, "resources": [resource]}))
    };
    let arn = "arn:aws:iam::111122223333:user/Bob/access-key/AKIAIOSFODNN7EXAMPLE";
    let with_details =
        json!({"Type": "AwsIamAccessKey", "Id": KEY, "Details": {"AwsIamAccessKey": {"AccountId": other}}});
    let with_owner = json!({"type": "AWS::IAM::AccessKey", "uid": KEY, "owner": {"account": {"uid": other}}});
    for (finding, expected) in [
        (v1(json!(own), json!({"Type": "AwsIamAccessKey", "Id": KEY})), of(&[own])),
        (v1(json!(own), with_details.clone()), of(&[own, other])),
        (v1(json!("x"), with_details), of(&[other]).and(unreadable())),
        (v1(json!(own), json!({"Type": "AwsIamAccessKey", "Id": arn})), of(&[own, other])),
        (v1(json!(null), json!({"Type": "AwsIamAccessKey", "Id": arn})), of(&[other])),
        (v2(json!(own), with_owner.clone()), of(&[own, other])),
        (v2(json!(null), with_owner.clone()), of(&[other])),
        (v2(json!("x"), with_owner), of(&[other]).and(unreadable())),
        (v2(json!(other), json!({"type": "AWS::IAM::AccessKey", "uid": arn, "name": KEY})), of(&[other])),
        (v2(json!(null), json!({"type": "AWS::IAM::AccessKey", "uid": KEY, "name": KEY})), NamedAccounts::default()),
    ] {
        assert_eq!(finding.accounts, expected, "{finding:?}");
        assert_eq!(finding.credential.key().map(AccessKeyId::as_str), Some(KEY), "{finding:?}");
        assert_ne!(finding.credential.user().map(UserName::as_str), Some(KEY), "{finding:?}");
    }
}

#[test]
fn what_cannot_be_read_in_a_finding_does_not_keep_the_keys_beside_it_alive() {
    let user = json!({"user": {"name": "Bob", "credentialUid": KEY}});
    let sequence = json!({"type": "AttackSequence:S3/X", "severity": 9,
                          "service": {"detection": {"sequence": {"actors": [user, "x", {"user": []}]}}}});
    let event = json!({"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": sequence});
    let items = read(&event.to_string());
    let keys: Vec<_> = items.iter().filter_map(|item| item.content.as_ref().ok()?.credential.key()).collect();
    let fields: Vec<_> = items.iter().filter_map(|item| Some(item.content.as_ref().err()?.field.as_str())).collect();
    assert_eq!(keys.into_iter().map(AccessKeyId::as_str).collect::<Vec<_>>(), [KEY]);
    let actors = "detail.service.detection.sequence.actors";
    assert_eq!(fields, [format!("{actors}[1]"), format!("{actors}[2].user")]);
}

#[test]
fn a_message_is_handed_back_only_to_the_queue_that_invoked_the_function() {
    let event = json!({"source": "com.example", "detail-type": "x", "detail": {}});
    let in_queue = |id: &str, body: &Value| json!({"Records": [{"eventSource": "aws:sqs", "messageId": id, "body": body.to_string()}]});
    let published =
        |message: &Value| json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message.to_string()}}]});
    let record = |payload: &Value| json!({"requestContext": {}, "requestPayload": payload});
    let on_a_bus = |record: Value| json!({"source": "lambda", "detail-type": "Lambda Function Invocation Result - Failure", "detail": record});
    for (input, expected) in [
        (event.clone(), None),
        (in_queue("1", &event), Some("1")),
        (in_queue("1", &published(&in_queue("2", &event))), Some("1")),
        (in_queue("1", &record(&in_queue("2", &event))), Some("1")),
        (json!(in_queue("1", &event)["Records"]), Some("1")),
        (published(&event), None),
        (published(&in_queue("2", &event)), None),
        (record(&in_queue("2", &event)), None),
        (on_a_bus(record(&in_queue("2", &event))), None),
    ] {
        let items = read(&input.to_string());
        assert_eq!(items.iter().map(|item| item.message.as_deref()).collect::<Vec<_>>(), [expected], "{input}");
        assert!(items.iter().all(|item| item.content.is_ok()), "{items:?}");
    }
}
