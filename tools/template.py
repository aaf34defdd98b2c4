"""Prints a CloudFormation template as JSON, with CloudFormation's functions in their long form."""

import json
import sys

import cfnlint.decode

template, errors = cfnlint.decode.decode(sys.argv[1])
if errors:
    sys.exit("\n".join(str(error) for error in errors))
print(json.dumps(template))
