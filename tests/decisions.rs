//! What is decided about every sample and every pitfall, without AWS: decision, key, user and account.

mod common;

use common::decided::lines;
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, SESSION};
use common::samples::{
    ACT, ACT_NAMELESS, ACT_ON_CAROL, ATTENTION, ATTENTION_TO_BOB, ATTENTION_TO_SESSION, IGNORED, SAMPLES,
};
use common::{event, replaced};
use key_remediator::event::read;
use serde_json::{Value, json};

#[test]
fn every_sample() {
    for sample in SAMPLES {
        assert_eq!(lines(&event(sample.event), sample.variables), sample.decided, "{}", sample.event);
    }
}

/// A sample with some of its fields set to other values; `null` removes a field.
fn changed(name: &str, changes: &[(&str, Value)]) -> Value {
    let mut event = event(name);
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = event.pointer_mut(parent).unwrap_or_else(|| panic!("{name} has no {parent}"));
        if value.is_null() && parent.is_object() {
            parent.as_object_mut().expect("an object").remove(field);
        } else if let Some(list) = parent.as_array_mut() {
            list[field.parse::<usize>().expect("an index")] = value.clone();
        } else {
            parent[field] = value.clone();
        }
    }
    event
}

#[track_caller]
fn check(name: &str, changes: &[(&str, Value)], expected: &[&str]) {
    assert_eq!(lines(&changed(name, changes), &[]), expected, "{name} with {changes:?}");
}

const DETAILS: &str = "/detail/resource/accessKeyDetails";

#[test]
fn a_role_session_never_leads_to_a_user_of_the_roles_name() {
    check("guardduty-role-session", &[], &[ATTENTION_TO_SESSION]);
    let user_type = format!("{DETAILS}/userType");
    for kind in ["AssumedRole", "Role", "FederatedUser", "SAMLUser", "WebIdentityUser", "IdentityCenterUser"] {
        check("guardduty-iam-user", &[(&user_type, json!(kind))], &[ATTENTION]);
    }
}

#[test]
fn a_users_temporary_credentials_are_not_a_key() {
    let key = format!("{DETAILS}/accessKeyId");
    let session = json!(SESSION);
    check("guardduty-iam-user", &[(&key, session)], &["needs_attention SESSION Bob OWN"]);
}

#[test]
fn root_is_a_users_name_only_if_iam_says_so() {
    for name in ["root", "Root", "<root_account>"] {
        check(
            "trusted-advisor-exposed-key",
            &[("/detail/check-item-detail/User Name (IAM or Root)", json!(name))],
            &[ACT_NAMELESS],
        );
    }
    check("guardduty-root-key", &[(&format!("{DETAILS}/userName"), Value::Null)], &[ATTENTION]);
}

#[test]
fn what_is_no_key_id_is_never_acted_on_and_padding_is_taken_off() {
    let key = format!("{DETAILS}/accessKeyId");
    for given in
        [json!(""), json!(null), json!("null"), json!(7), json!("AKIAXXXXXXXXXX"), json!("AKIAXXXXXXXXXXXXXXXX")]
    {
        check("guardduty-iam-user", &[(&key, given)], &[ATTENTION_TO_BOB]);
    }
    check("guardduty-iam-user", &[(&key, json!("GeneratedFindingAccessKeyId"))], &["ignored Bob OWN"]);
    check("guardduty-iam-user", &[(&key, json!(format!(" {KEY}\n")))], &[ACT]);
    let id = "/detail/findings/0/Resources/1/Id";
    check("security-hub-imported", &[(id, json!("AWS::IAM::AccessKey:null"))], &[ATTENTION_TO_BOB]);
    check("security-hub-imported", &[(id, json!(format!("arn:aws:iam::{OWN}:user/Bob")))], &[ATTENTION_TO_BOB]);
    check("security-hub-imported", &[(id, json!(KEY))], &[ACT]);
    let entity = "/detail/affectedEntities/0/entityValue";
    let beside = [
        (entity, json!("AKIAXXXXXXXXXX")),
        ("/resources", json!([])),
        ("/detail/eventMetadata/publicKey", Value::Null),
    ];
    check("health-credentials-exposed", &beside, &[ATTENTION_TO_BOB]);
    // Another place of the same event may hold the key in full.
    check("health-credentials-exposed", &beside[..1], &[ATTENTION_TO_BOB, ACT]);
}

#[test]
fn samples_are_known_in_every_encoding() {
    for additional in [
        json!({"sample": true}),
        json!({"sample": "true"}),
        json!({"type": "default", "value": "{\"sample\":true}"}),
        json!({"type": "default", "value": "{\"sample\":true,\"unusual\":{}}", "sample": true}),
    ] {
        check("guardduty-iam-user", &[("/detail/service/additionalInfo", additional.clone())], &[IGNORED]);
        let all = "ignored SESSION OWN";
        check(
            "guardduty-attack-sequence",
            &[("/detail/service/additionalInfo", additional)],
            &[IGNORED, all, "ignored OTHER_KEY Carol OWN"],
        );
    }
    check("security-hub-imported", &[("/detail/findings/0/Sample", json!(true))], &[IGNORED]);
    for (field, value) in [("additionalInfo/sample", "true"), ("additionalInfo/value", "{\"sample\":true}")] {
        let fields = json!({format!("aws/guardduty/service/{field}"): value});
        check("security-hub-imported", &[("/detail/findings/0/ProductFields", fields)], &[IGNORED]);
    }
    check(
        "guardduty-iam-user",
        &[("/detail", api_form(&json!({"Type": "default", "Value": "{\"sample\":true}"})))],
        &[IGNORED],
    );
}

/// The same finding as the API, the CLI and the console write it.
fn api_form(additional_info: &Value) -> Value {
    json!({
        "AccountId": OWN, "Id": "1", "Type": "UnauthorizedAccess:IAMUser/TorIPCaller", "Severity": 5,
        "Resource": {"ResourceType": "AccessKey",
                     "AccessKeyDetails": {"AccessKeyId": KEY, "UserName": "Bob", "UserType": "IAMUser"}},
        "Service": {"Archived": false, "AdditionalInfo": additional_info},
    })
}

#[test]
fn a_finding_in_the_apis_form_is_read() {
    check("guardduty-iam-user", &[("/detail", api_form(&json!({})))], &[ACT]);
}

#[test]
fn what_is_over_is_ignored() {
    check("guardduty-iam-user", &[("/detail/service/archived", json!(true))], &[IGNORED]);
    for (field, value) in [
        ("RecordState", json!("ARCHIVED")),
        ("Workflow", json!({"Status": "RESOLVED"})),
        ("Workflow", json!({"Status": "SUPPRESSED"})),
        ("Compliance", json!({"Status": "PASSED"})),
        ("ProductFields", json!({"aws/guardduty/service/archived": "true"})),
    ] {
        check("security-hub-imported", &[(&format!("/detail/findings/0/{field}"), value)], &[IGNORED]);
    }
    for (field, value) in
        [("status_id", json!(3)), ("status_id", json!(4)), ("status_id", json!(5)), ("activity_name", json!("Close"))]
    {
        check("security-hub-v2", &[(&format!("/detail/findings/0/{field}"), value)], &[IGNORED]);
    }
    check("health-credentials-exposed", &[("/detail/statusCode", json!("closed"))], &[IGNORED]);
    check("health-credentials-exposed", &[("/detail/affectedEntities/0/status", json!("RESOLVED"))], &[IGNORED]);
    check("trusted-advisor-exposed-key", &[("/detail/status", json!("OK"))], &[IGNORED]);
}

#[test]
fn notified_findings_and_findings_without_a_state_are_in_force() {
    check("security-hub-imported", &[("/detail/findings/0/Workflow", json!({"Status": "NOTIFIED"}))], &[ACT]);
    let stateless = ["RecordState", "Workflow", "WorkflowState", "ProductFields"];
    let stateless = stateless.map(|field| (format!("/detail/findings/0/{field}"), Value::Null));
    let stateless: Vec<_> = stateless.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())).collect();
    check("security-hub-imported", &stateless, &[ACT]);
}

#[test]
fn the_account_is_that_of_the_finding_and_the_envelopes_comes_last() {
    let member = "needs_attention KEY Bob MEMBER";
    for (name, pointer) in [
        ("guardduty-iam-user", "/detail/accountId"),
        ("health-credentials-exposed", "/detail/affectedAccount"),
        ("security-hub-imported", "/detail/findings/0/AwsAccountId"),
        ("security-hub-v2", "/detail/findings/0/cloud/account/uid"),
        ("trusted-advisor-exposed-key", "/account"),
    ] {
        check(name, &[(pointer, json!(MEMBER))], &[member]);
        for given in [json!("1111-2222-3333"), json!(111_122_223_333_u64), json!(format!("arn:aws:iam::{MEMBER}:root"))]
        {
            check(name, &[(pointer, given)], &[member]);
        }
        // A key id or nothing stands there: the next place counts, or the envelope.
        if pointer != "/account" {
            for given in [json!(KEY), json!(""), Value::Null] {
                check(name, &[(pointer, given)], &[ACT]);
            }
        }
    }
    // What is no account is not the same as none.
    for given in [json!("1234567890"), json!("1234567890123"), json!({}), json!(1.5)] {
        let nowhere = "needs_attention KEY Bob";
        check("guardduty-iam-user", &[("/detail/accountId", given.clone())], &[nowhere]);
        check("security-hub-imported", &[("/detail/findings/0/AwsAccountId", given.clone())], &[nowhere]);
        check("trusted-advisor-exposed-key", &[("/account", given.clone())], &[nowhere]);
        // These have a second place of their own.
        check("health-credentials-exposed", &[("/detail/affectedAccount", given.clone())], &[ACT]);
        check("security-hub-v2", &[("/detail/findings/0/cloud/account/uid", given)], &[ACT]);
    }
    check("guardduty-iam-user", &[("/detail/accountId", json!(7))], &["needs_attention KEY Bob 000000000007"]);
    check("health-credentials-exposed", &[("/account", json!(MEMBER))], &[ACT]);
    check("guardduty-iam-user", &[("/account", json!(MEMBER))], &[ACT]);
    let zeros = "needs_attention KEY Bob 000000000012";
    check("guardduty-iam-user", &[("/detail/accountId", json!("000000000012"))], &[zeros]);
}

#[test]
fn actors_without_a_user_or_a_credential_do_not_hide_the_others() {
    let actors = "/detail/service/detection/sequence/actors";
    check(
        "guardduty-attack-sequence",
        &[
            (&format!("{actors}/0"), json!(null)),
            (&format!("{actors}/1"), json!({"user": {"type": "Root", "name": "Root"}})),
        ],
        &["needs_attention OWN", ACT_ON_CAROL],
    );
    check("guardduty-attack-sequence", &[(actors, json!([]))], &["needs_attention OWN"]);
    check("guardduty-attack-sequence", &[("/detail/service/detection", Value::Null)], &["needs_attention OWN"]);
    // It is where the activity took place, which need not be where the user is.
    for activity in [json!(MEMBER), json!("1234567890"), Value::Null] {
        let place = format!("{actors}/0/user/account/uid");
        check("guardduty-attack-sequence", &[(&place, activity)], &[ACT, ATTENTION_TO_SESSION, ACT_ON_CAROL]);
    }
}

#[test]
fn any_type_of_resource_can_carry_a_key_and_a_type_about_users_may_carry_none() {
    for kind in ["AccessKey", "S3Bucket", "EKSCluster", "Instance", "SomethingNew"] {
        check("guardduty-iam-user", &[("/detail/resource/resourceType", json!(kind))], &[ACT]);
    }
    check("guardduty-iam-user", &[("/detail/resource", Value::Null)], &["needs_attention OWN"]);
}

#[test]
fn policy_findings_are_not_acted_on_however_the_type_is_written() {
    for kind in ["Policy:IAMUser/RootCredentialUsage", "Policy:S3/BucketPublicAccessGranted"] {
        check("guardduty-iam-user", &[("/detail/type", json!(kind))], &[IGNORED]);
    }
    for kind in ["TTPs/Policy:S3-BucketPublicAccessGranted", "TTPs/Defense Evasion/Policy:IAMUser-RootCredentialUsage"]
    {
        check("security-hub-imported", &[("/detail/findings/0/Types", json!([kind]))], &[IGNORED]);
    }
    let macie =
        changed("guardduty-iam-user", &[("/source", json!("aws.macie")), ("/detail-type", json!("Macie Finding"))]);
    assert_eq!(lines(&macie, &[]), ["ignored"]);
}

#[test]
fn only_guarddutys_own_product_is_acted_on_unless_a_person_chose_the_finding() {
    for product in [
        &format!("arn:aws:securityhub:us-east-1:{OWN}:product/{OWN}/default"),
        &format!("arn:aws:securityhub:us-east-1:{OWN}:product/aws/guardduty"),
        "arn:aws:securityhub:us-east-1::product/aws/guardduty-lookalike",
        "arn:aws:securityhub:us-east-1::product/aws/macie",
        "",
    ] {
        check("security-hub-imported", &[("/detail/findings/0/ProductArn", json!(product))], &[IGNORED]);
        check("security-hub-v2", &[("/detail/findings/0/metadata/product/uid", json!(product))], &[IGNORED]);
        let chosen = [
            ("/detail/findings/0/ProductArn", json!(product)),
            ("/detail-type", json!("Security Hub Findings - Custom Action")),
        ];
        check("security-hub-imported", &chosen, &[ACT]);
    }
    for partition in ["aws-cn", "aws-us-gov"] {
        let product = format!("arn:{partition}:securityhub:us-east-1::product/aws/guardduty");
        check("security-hub-imported", &[("/detail/findings/0/ProductArn", json!(product))], &[ACT]);
    }
}

#[test]
fn severities_are_brought_to_one_scale() {
    for (severity, expected) in [
        (json!({"Product": 3.9, "Label": "HIGH"}), IGNORED),
        (json!({"Product": 4}), ACT),
        (json!({"Normalized": 39}), IGNORED),
        (json!({"Label": "LOW", "Normalized": 40}), IGNORED),
        (json!({"Normalized": 40}), ACT),
        (json!({"Label": "LOW"}), IGNORED),
        (json!({"Label": "MEDIUM"}), ACT),
        (json!({"Label": "CRITICAL"}), ACT),
        (json!({}), "error detail.findings[0].Severity"),
    ] {
        check("security-hub-imported", &[("/detail/findings/0/Severity", severity)], &[expected]);
    }
    for (severity, expected) in [(1, IGNORED), (2, IGNORED), (3, ACT), (5, ACT), (6, ACT)] {
        check("security-hub-v2", &[("/detail/findings/0/severity_id", json!(severity))], &[expected]);
    }
    for (severity, expected) in
        [(json!(5), ACT), (json!(8.0), ACT), (json!(3), IGNORED), (json!(11), "error detail.severity")]
    {
        check("guardduty-iam-user", &[("/detail/severity", severity)], &[expected]);
    }
}

#[test]
fn a_new_finding_type_passes_the_default_gates() {
    check("guardduty-iam-user", &[("/detail/type", json!("SomethingNew:IAMUser/Invented"))], &[ACT]);
}

#[test]
fn a_user_name_with_a_path_or_an_arn_is_cut_and_one_of_another_account_is_a_contradiction() {
    let user = format!("{DETAILS}/userName");
    for name in ["team/Bob", &format!("arn:aws:iam::{OWN}:user/team/Bob"), " Bob "] {
        check("guardduty-iam-user", &[(&user, json!(name))], &[ACT]);
    }
    let foreign = json!(format!("arn:aws:iam::{MEMBER}:user/Bob"));
    check("guardduty-iam-user", &[(&user, foreign)], &[ATTENTION]);
    check("guardduty-iam-user", &[(&user, json!("not a name"))], &[ACT_NAMELESS]);
    check("security-hub-v2", &[("/detail/findings/0/resources/0/data/user_name", json!("team/Bob"))], &[ACT]);
}

#[test]
fn names_of_a_resource_that_disagree_are_a_persons_business() {
    let other = json!(OTHER_KEY);
    check("security-hub-v2", &[("/detail/findings/0/resources/0/uid", other.clone())], &[ATTENTION]);
    let details = [
        ("/detail/findings/0/Resources/1/Details/AwsIamAccessKey/AccessKeyId", json!(KEY)),
        ("/detail/findings/0/Resources/1/Id", other),
    ];
    check("security-hub-imported", &details, &[ATTENTION]);
}

#[test]
fn a_v2_finding_without_details_or_named_by_the_resource_is_read() {
    let resource = "/detail/findings/0/resources/0";
    check("security-hub-v2", &[(&format!("{resource}/data"), Value::Null)], &[ACT_NAMELESS]);
    check(
        "security-hub-v2",
        &[(&format!("{resource}/data"), Value::Null), (&format!("{resource}/user"), json!({"name": "Bob"}))],
        &[ACT],
    );
    check(
        "security-hub-v2",
        &[
            (&format!("{resource}/uid"), json!(format!("arn:aws:iam::{OWN}:user/Bob"))),
            (&format!("{resource}/type"), json!("AwsIamAccessKey")),
        ],
        &[ACT],
    );
}

#[test]
fn every_version_of_the_quarantine_is_reported_and_never_the_callers_key() {
    let policy = "/detail/requestParameters/policyArn";
    for code in ["AccessDenied", "LimitExceededException"] {
        check("cloudtrail-quarantine-attached", &[("/detail/errorCode", json!(code))], &[ATTENTION_TO_BOB]);
    }
    for version in ["", "V2", "V4", "V17"] {
        let arn = format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{version}");
        check("cloudtrail-quarantine-attached", &[(policy, json!(arn))], &[ATTENTION_TO_BOB]);
    }
    for other in [
        (policy, json!(format!("arn:aws:iam::{OWN}:policy/AWSCompromisedKeyQuarantineV2"))),
        (policy, json!("arn:aws:iam::aws:policy/ReadOnlyAccess")),
        ("/detail/requestParameters", json!(null)),
        ("/detail/eventName", json!("DetachUserPolicy")),
    ] {
        check("cloudtrail-quarantine-attached", &[other], &["ignored"]);
    }
}

#[test]
fn other_checks_and_other_types_of_event_of_the_same_source_are_ignored() {
    check("trusted-advisor-exposed-key", &[("/detail/check-name", json!("IAM Access Key Rotation"))], &["ignored"]);
    check("guardduty-iam-user", &[("/detail-type", json!("GuardDuty Runtime Protection Unhealthy"))], &["ignored"]);
}

#[test]
fn health_events_differ_in_form_but_not_in_what_is_read() {
    for (changes, expected) in [
        (vec![("/detail-type", json!("AWS Health Abuse Event"))], ACT),
        (vec![("/detail/backupEvent", json!("true")), ("/region", json!("us-west-2"))], ACT),
        (vec![("/region", json!("global"))], ACT),
        (vec![("/resources", Value::Null)], ACT),
        (vec![("/detail/affectedEntities", Value::Null)], ACT),
        (vec![("/detail/eventMetadata", Value::Null)], ACT_NAMELESS),
        (vec![("/detail/affectedEntities", json!([null, {"entityValue": KEY}]))], ACT),
    ] {
        check("health-credentials-exposed", &changes, &[expected]);
    }
    for odd in [json!(7), json!(KEY), json!([KEY])] {
        let entities = [("/detail/affectedEntities", json!([odd, {"entityValue": KEY}]))];
        check("health-credentials-exposed", &entities, &[ACT, "error detail.affectedEntities[0]"]);
    }
    for code in ["AWS_RISK_IAM_QUARANTINE", "AWS_RISK_ACCOUNT_CONSOLE_COMPROMISE"] {
        let changes = [("/detail/eventTypeCode", json!(code))];
        check("health-credentials-exposed", &changes, &["needs_attention KEY Bob OWN"]);
    }
}

#[test]
fn several_findings_in_one_event_are_all_read_and_one_that_is_broken_hides_none() {
    let mut event = event("security-hub-imported");
    let finding = event["detail"]["findings"][0].clone();
    let second = replaced(&finding, &[(KEY, OTHER_KEY), ("Bob", "Carol")]);
    event["detail"]["findings"] = json!([finding, "broken", second]);
    assert_eq!(lines(&event, &[]), [ACT, "error detail.findings[1]", ACT_ON_CAROL]);
}

#[test]
fn an_sns_event_is_not_taken_for_one_of_sqs() {
    let sns = event("sns-guardduty");
    let items = read(&sns.to_string());
    assert!(items.iter().all(|item| item.message.is_none()) && items.len() == 1);
    let bare = changed("sns-guardduty", &[("/Records/0/Sns/Message", json!("{\"detail\":{}}"))]);
    assert_eq!(lines(&bare, &[]), ["error Records[0].Sns.Message"]);
}

#[test]
fn the_types_of_security_hub_pass_the_gates_of_guarddutys() {
    let types = "/detail/findings/0/Types";
    let severity = "/detail/findings/0/Severity";
    for (kind, below) in [
        ("TTPs/Impact/IAMUser-AnomalousBehavior", IGNORED),
        ("TTPs/Privilege Escalation/IAMUser-AnomalousBehavior", IGNORED),
        ("TTPs/AnomalousBehavior/PrivilegeEscalation:Kubernetes-RoleBindingCreated", IGNORED),
        ("TTPs/UnauthorizedAccess:IAMUser-TorIPCaller", ACT),
    ] {
        let at = |value: f64| [(types, json!([kind])), (severity, json!({"Product": value}))];
        check("security-hub-imported", &at(5.0), &[below]);
        check("security-hub-imported", &at(8.0), &[ACT]);
    }
}

#[test]
fn a_level_that_says_nothing_leaves_it_to_the_vendor() {
    let one = "/detail/findings/0";
    for (word, vendors, expected) in [
        ("Other", json!({"severity": "High", "severity_id": 4}), ACT),
        ("Other", json!({"severity": "Low"}), IGNORED),
        ("Low", json!({"severity": "High"}), IGNORED),
        ("Unknown", json!({"severity_id": 8}), ACT),
        ("Unknown", json!({}), "error detail.findings[0].severity_id"),
    ] {
        for level in [0, 99] {
            let changes = [
                (format!("{one}/severity_id"), json!(level)),
                (format!("{one}/severity"), json!(word)),
                (format!("{one}/vendor_attributes"), vendors.clone()),
            ];
            let changes: Vec<_> = changes.iter().map(|(at, value)| (at.as_str(), value.clone())).collect();
            check("security-hub-v2", &changes, &[expected]);
        }
    }
}

#[test]
fn a_known_event_without_its_mandatory_part_fails() {
    let exports = json!({"findings": [{"type": "Recon:IAMUser/TorIPCaller"}]});
    for (name, detail, expected) in [
        ("guardduty-iam-user", json!({}), "error detail.type"),
        ("guardduty-iam-user", exports, "error detail.type"),
        ("security-hub-imported", json!({"findings": [{}]}), "error detail.findings[0].ProductArn"),
        ("security-hub-custom-action", json!({"findings": [{}]}), "error detail.findings[0].Resources"),
        ("security-hub-v2", json!({"findings": [{}]}), "error detail.findings[0].metadata.product.uid"),
        ("security-hub-v2", json!({"findings": []}), "error detail.findings"),
        ("health-credentials-exposed", json!({}), "error detail.eventTypeCode"),
        ("trusted-advisor-exposed-key", json!({}), "error detail.check-name"),
        ("cloudtrail-quarantine-attached", json!({}), "error detail.eventName"),
    ] {
        check(name, &[("/detail", detail)], &[expected]);
    }
    check("guardduty-iam-user", &[("/detail/type", json!(["x"]))], &["error detail.type"]);
    check("guardduty-iam-user", &[(DETAILS, json!(KEY))], &["error detail.resource.accessKeyDetails"]);
}

#[test]
fn a_key_at_the_end_of_an_arn_is_the_key_and_nobodys_name() {
    let id = "/detail/findings/0/Resources/1/Id";
    let details = ("/detail/findings/0/Resources/1/Details", Value::Null);
    for (end, expected) in [
        (format!("user/team/Bob/access-key/{KEY}"), ACT),
        (format!("access-key/{KEY}"), ACT_NAMELESS),
        (format!("user/{KEY}"), ACT_NAMELESS),
        ("user/Bob/access-key/AKIAXXXXXXXXXXXXXXXX".to_owned(), ATTENTION_TO_BOB),
    ] {
        let arn = json!(format!("arn:aws:iam::{OWN}:{end}"));
        check("security-hub-imported", &[(id, arn), details.clone()], &[expected]);
    }
}

#[test]
fn what_nobody_can_identify_is_told_where_somebody_asked_for_it() {
    let partner = changed(
        "custom-source",
        &[("/source", json!("aws.partner/example.com/1")), ("/detail/accessKeyId", Value::Null)],
    );
    let listed = [("CUSTOM_SOURCES", "aws.partner/example.com/1")];
    assert_eq!(lines(&partner, &listed), [ATTENTION_TO_BOB]);
    assert_eq!(lines(&partner, &[]), ["ignored Bob OWN"]);
    let bucket = json!([{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::amzn-s3-demo-bucket"}]);
    let resources = "/detail/findings/0/Resources";
    check("security-hub-custom-action-user", &[(resources, bucket)], &["needs_attention OWN"]);
    let archived = ("/detail/findings/0/RecordState", json!("ARCHIVED"));
    check("security-hub-custom-action-user", &[archived], &["ignored Bob OWN"]);
}
