"""What the function does about a finding, with nothing but boto3's defaults."""

import boto3

iam = boto3.client("iam")


def handler(event, context):
    details = event["detail"]["resource"]["accessKeyDetails"]
    user, key = details["userName"], details["accessKeyId"]
    iam.update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")
    listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return any(listed["AccessKeyId"] == key and listed["Status"] == "Inactive" for listed in listed)
