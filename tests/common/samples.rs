//! The one table of the samples: a row says all that is expected of a file in `events/`.

/// What a sample is there to show.
#[derive(Clone, Copy)]
pub struct Sample {
    /// The name of the file.
    pub event: &'static str,
    /// The variables without which the function does not know it.
    pub variables: &'static [(&'static str, &'static str)],
    /// The rules of `template.yaml` that deliver it. EventBridge has no say in commands, arrays and records of queues.
    pub rules: &'static [&'static str],
    /// What is decided about each finding, a line each.
    pub decided: &'static [&'static str],
    /// The outcomes of the answer, where a key stands once.
    pub outcomes: &'static [&'static str],
    /// What becomes of Bob's first key and of Carol's. The second keys stay active.
    pub bob: Key,
    pub carol: Key,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key {
    Active,
    Inactive,
    Gone,
}
use Key::{Active, Gone, Inactive};

/// A row of the table. Both keys stay active unless it says otherwise.
const fn row(
    event: &'static str,
    rules: &'static [&'static str],
    decided: &'static [&'static str],
    outcomes: &'static [&'static str],
) -> Sample {
    Sample { event, variables: &[], rules, decided, outcomes, bob: Active, carol: Active }
}

impl Sample {
    const fn bob(self, bob: Key) -> Self {
        Self { bob, ..self }
    }

    const fn carol(self, carol: Key) -> Self {
        Self { carol, ..self }
    }

    const fn with(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }
}

/// What makes the sample of a custom source known.
pub const CUSTOM_SOURCES: &[(&str, &str)] = &[("CUSTOM_SOURCES", "com.example.leak-scanner")];

pub const ACT: &str = "Deactivate KEY Bob OWN";
pub const ACT_NAMELESS: &str = "Deactivate KEY OWN";
pub const ACT_ON_CAROL: &str = "Deactivate OTHER_KEY Carol OWN";
pub const IGNORED: &str = "ignored KEY Bob OWN";
pub const ATTENTION: &str = "needs_attention KEY OWN";
pub const ATTENTION_TO_BOB: &str = "needs_attention Bob OWN";
pub const ATTENTION_TO_SESSION: &str = "needs_attention SESSION OWN";
/// A sample finding of GuardDuty's own, which names made-up credentials.
const GENERATED: &str = "ignored GeneratedFindingUserName OWN";

pub const SAMPLES: &[Sample] = &[
    row("array-of-events", &[], &[ACT, ACT, IGNORED], &["contained"]).bob(Inactive),
    row("cloudtrail-create-access-key", &[], &["ignored"], &["ignored"]),
    row("cloudtrail-quarantine-attached", &["QuarantineAttached"], &[ATTENTION_TO_BOB], &["needs_attention"]),
    row("cloudtrail-quarantine-inline", &["QuarantineInline"], &[ATTENTION_TO_BOB], &["needs_attention"]),
    row("command-deactivate", &[], &["Deactivate KEY Bob"], &["contained"]).bob(Inactive),
    row("command-deactivate-without-user", &[], &["Deactivate KEY"], &["contained"]).bob(Inactive),
    row("command-delete", &[], &["Delete KEY Bob"], &["contained"]).bob(Gone),
    row("command-restore", &[], &["Restore KEY Bob"], &["restored"]),
    row("command-restore-sessions", &[], &["Sessions of role Bob"], &["not_found"]),
    row("custom-source", &["CustomRule"], &[ACT], &["contained"]).with(CUSTOM_SOURCES).bob(Inactive),
    row("failed-invocation", &[], &[ACT], &["contained"]).bob(Inactive),
    row("guardduty-anomaly", &["GuardDuty"], &[IGNORED], &["ignored"]),
    row("guardduty-archived", &["GuardDuty"], &[IGNORED], &["ignored"]),
    row(
        "guardduty-attack-sequence",
        &["GuardDutySequence"],
        &[ACT, ATTENTION_TO_SESSION, ACT_ON_CAROL],
        &["contained", "needs_attention", "contained"],
    )
    .bob(Inactive)
    .carol(Inactive),
    row("guardduty-console-session-without-key", &["GuardDuty"], &[ATTENTION_TO_BOB], &["needs_attention"]),
    row("guardduty-ec2-instance", &[], &["ignored"], &["ignored"]),
    row("guardduty-iam-user", &["GuardDuty"], &[ACT], &["contained"]).bob(Inactive),
    row("guardduty-low-severity", &["GuardDuty"], &[IGNORED], &["ignored"]),
    row("guardduty-member-account", &["GuardDuty"], &["needs_attention KEY Bob MEMBER"], &["needs_attention"]),
    row("guardduty-policy", &["GuardDuty"], &[IGNORED], &["ignored"]),
    row("guardduty-replayed", &["GuardDuty"], &[ACT], &["contained"]).bob(Inactive),
    row("guardduty-role-session", &["GuardDuty"], &[ATTENTION_TO_SESSION], &["needs_attention"]),
    row("guardduty-root-key", &["GuardDuty"], &[ATTENTION], &["needs_attention"]),
    row("guardduty-s3-bucket", &["GuardDuty"], &[ACT], &["contained"]).bob(Inactive),
    row("guardduty-sample", &["GuardDuty"], &[GENERATED], &["ignored"]),
    row("health-credentials-exposed", &["Health"], &[ACT], &["contained"]).bob(Inactive),
    row("health-iam-quarantine", &["Health"], &[ATTENTION_TO_BOB], &["needs_attention"]),
    row("health-short-form", &["Health"], &[ACT_NAMELESS], &["contained"]).bob(Inactive),
    row("health-two-entities", &["Health"], &[ACT_NAMELESS, "ignored OTHER_KEY OWN"], &["contained", "ignored"])
        .bob(Inactive),
    row("health-unrelated", &[], &["ignored"], &["ignored"]),
    row("pipes-sqs-guardduty", &[], &[ACT], &["contained"]).bob(Inactive),
    row("security-hub-anomaly", &["SecurityHub"], &[IGNORED], &["ignored"]),
    row(
        "security-hub-attack-sequence",
        &["SecurityHubSequence"],
        &[ACT, ATTENTION_TO_SESSION],
        &["contained", "needs_attention"],
    )
    .bob(Inactive),
    row(
        "security-hub-custom-action",
        &["SecurityHubActionRule"],
        &[ACT, "Deactivate OTHER_KEY OWN"],
        &["contained", "contained"],
    )
    .bob(Inactive)
    .carol(Inactive),
    row("security-hub-custom-action-user", &["SecurityHubActionRule"], &[ATTENTION_TO_BOB], &["needs_attention"]),
    row("security-hub-imported", &["SecurityHub"], &[ACT], &["contained"]).bob(Inactive),
    row("security-hub-insight", &[], &["ignored"], &["ignored"]),
    row("security-hub-other-product", &[], &[IGNORED], &["ignored"]),
    row("security-hub-policy", &["SecurityHub"], &[IGNORED], &["ignored"]),
    row("security-hub-suppressed", &["SecurityHub"], &[IGNORED], &["ignored"]),
    row("security-hub-v2", &["SecurityHubV2"], &[ACT], &["contained"]).bob(Inactive),
    row("security-hub-v2-attack-sequence", &["SecurityHubV2Sequence"], &[ACT], &["contained"]).bob(Inactive),
    row("security-hub-v2-disagreement", &["SecurityHubV2"], &[ATTENTION], &["needs_attention"]),
    row("security-hub-v2-resolved", &["SecurityHubV2"], &[IGNORED], &["ignored"]),
    row("security-hub-v2-text-data", &["SecurityHubV2"], &[ACT], &["contained"]).bob(Inactive),
    row("sns-guardduty", &[], &[ACT], &["contained"]).bob(Inactive),
    row("sqs-guardduty", &[], &[ACT], &["contained"]).bob(Inactive),
    row(
        "sqs-mixed-batch",
        &[],
        &[
            ACT,
            "error Records[1].body",
            GENERATED,
            IGNORED,
            ACT,
            ACT_ON_CAROL,
            "error Records[6].body",
            "ignored",
            ATTENTION_TO_SESSION,
            ACT_ON_CAROL,
            IGNORED,
        ],
        &["contained", "ignored", "contained", "ignored", "needs_attention"],
    )
    .bob(Inactive)
    .carol(Inactive),
    row("sqs-of-sns-guardduty", &[], &[ACT], &["contained"]).bob(Inactive),
    row("trusted-advisor-exposed-key", &["TrustedAdvisor"], &[ACT], &["contained"]).bob(Inactive),
    row("unrelated-schedule", &[], &["ignored"], &["ignored"]),
];

/// The samples that name exactly one key, Bob's in the function's account, and have it killed.
pub fn of_one_key() -> Vec<&'static str> {
    let of_one_key = SAMPLES.iter().filter(|sample| matches!(sample.decided, [ACT | ACT_NAMELESS]));
    of_one_key.map(|sample| sample.event).collect()
}
