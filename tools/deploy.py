"""Deploys templates into a mock of AWS: python deploy.py [TEMPLATE [PARAMETER=VALUE ...] ...]

Each is a stack of one account, in this order. Prints, as JSON, the state of each stack, which roles and policies IAM then
has, and how many rules the default event bus. The mock makes no groups.
"""

import io
import json
import logging
import os
import sys
import zipfile

os.environ.update(
    AWS_ACCESS_KEY_ID="made-up", AWS_SECRET_ACCESS_KEY="made-up", AWS_DEFAULT_REGION="us-east-1", SAM_CLI_TELEMETRY="0"
)

import boto3
import cfnlint.decode
from moto import mock_aws
from samtranslator.translator.transform import transform

BUCKET = "code"


def translated(path):
    """The template as CloudFormation sees it after the transform of SAM."""
    template, errors = cfnlint.decode.decode(path)
    if errors:
        sys.exit("\n".join(str(error) for error in errors))
    template = json.loads(json.dumps(template))
    if "Transform" not in template:
        return template
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/code.zip"
    return transform(template, {}, lambda: {})


def arguments():
    """(template, parameters) for each stack."""
    stacks = []
    for argument in sys.argv[1:]:
        if argument.endswith(".yaml"):
            stacks.append((argument, []))
        else:
            name, value = argument.split("=", 1)
            stacks[-1][1].append({"ParameterKey": name, "ParameterValue": value})
    return stacks


def empty_zip():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bootstrap", "")
    return archive.getvalue()


@mock_aws
def main():
    logging.disable(logging.CRITICAL)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="code.zip", Body=empty_zip())
    cloudformation, iam = boto3.client("cloudformation"), boto3.client("iam")
    states = []
    for index, (path, parameters) in enumerate(arguments()):
        name = f"stack-{index}"
        try:
            cloudformation.create_stack(
                StackName=name,
                TemplateBody=json.dumps(translated(path)),
                Parameters=parameters,
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            states.append(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        except Exception as error:  # what the mock refuses, CloudFormation would report as the state of the stack
            states.append(f"{type(error).__name__}: {error}")
    found = {
        "states": states,
        "roles": [role["Path"] + role["RoleName"] for role in iam.list_roles()["Roles"]],
        "policies": [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]],
        "rules": len(boto3.client("events").list_rules()["Rules"]),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
