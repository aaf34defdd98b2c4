//! The partitions of AWS, each of which has ARNs, endpoints and certificate authorities of its own:
//! <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.

use aws_config::SdkConfig;

/// The partition of most accounts.
pub(super) const AWS: &str = "aws";

/// The partition that a region belongs to, as ARNs name it. `None` for a region whose name has no known form; the forms
/// are those that the SDK knows.
pub(super) fn partition(region: &str) -> Option<&'static str> {
    const OTHERS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    const AREAS: [&str; 9] = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"];
    if let Some((_, partition)) = OTHERS.iter().find(|(prefix, _)| region.starts_with(prefix)) {
        return Some(partition);
    }
    let mut parts = region.split('-');
    let known = parts.next().is_some_and(|area| AREAS.contains(&area)) && parts.count() == 2;
    known.then_some(AWS)
}

/// The partition in the ARNs of the function's region.
pub(super) fn arn_partition(sdk: &SdkConfig) -> &'static str {
    sdk.region().and_then(|region| partition(region.as_ref())).unwrap_or(AWS)
}

#[cfg(test)]
mod tests {
    use super::partition;

    #[test]
    fn a_region_is_in_the_partition_that_its_name_tells() {
        for (region, expected) in [
            ("us-east-1", Some("aws")),
            ("ap-southeast-7", Some("aws")),
            ("mx-central-1", Some("aws")),
            ("cn-north-1", Some("aws-cn")),
            ("us-gov-west-1", Some("aws-us-gov")),
            ("us-iso-east-1", Some("aws-iso")),
            ("us-isob-east-1", Some("aws-iso-b")),
            ("us-isof-south-1", Some("aws-iso-f")),
            ("eu-isoe-west-1", Some("aws-iso-e")),
            ("eusc-de-east-1", Some("aws-eusc")),
            ("aq-south-1", None),
            ("us-new-form-1", None),
            ("", None),
        ] {
            assert_eq!(partition(region), expected, "{region}");
        }
    }
}
