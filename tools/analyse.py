"""Judges IAM policies with two analysers that others wrote, parliament and cfripper.

Reads {"NAME": POLICY, ...} and writes the remarks, [[NAME, ANALYSER, REMARK, WHERE], ...], both as JSON. What is accepted,
and why, stands in tests/policies.rs.
"""

import json
import logging
import re
import sys

import pycfmodel
from cfripper.config.config import Config
from cfripper.rule_processor import RuleProcessor
from cfripper.rules import DEFAULT_RULES
from parliament import analyze_policy_string

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def by_parliament(policy):
    """With the rules that its own documentation calls community rules: those about privilege escalation."""
    analysed = analyze_policy_string(json.dumps(policy), include_community_auditors=True)
    for finding in analysed.findings:
        for action in finding.location.get("actions", [str(finding.detail)]):
            yield finding.issue, action


def by_cfripper(policy):
    template = {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": TRUST,
                    "Policies": [{"PolicyName": "key-remediator", "PolicyDocument": policy}],
                },
            }
        }
    }
    config = Config(rules=list(DEFAULT_RULES), aws_account_id="123456789012", stack_name="key-remediator")
    processor = RuleProcessor(*(rule(config) for rule in DEFAULT_RULES.values()))
    result = processor.process_cf_template(pycfmodel.parse(template).resolve(), config)
    for failure in result.failures:
        for action in re.findall(r"\w+:\w+", failure.reason) or [failure.reason]:
            yield failure.rule, action.lower()
    for exception in result.exceptions:
        yield "exception", repr(exception)


def main():
    logging.disable(logging.CRITICAL)
    analysers = {"parliament": by_parliament, "cfripper": by_cfripper}
    policies = json.load(sys.stdin)
    json.dump(
        [
            [name, analyser, remark, where]
            for name, policy in policies.items()
            for analyser, judge in analysers.items()
            for remark, where in judge(policy)
        ],
        sys.stdout,
    )


if __name__ == "__main__":
    main()
