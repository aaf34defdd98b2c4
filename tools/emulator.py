"""Prints where the aws-sam-cli package keeps AWS's Lambda runtime interface emulator for this machine."""

import pathlib
import platform
import sys

import samcli

if sys.platform != "linux":
    sys.exit("The emulator is a Linux program: run this on Linux or in a Linux container.")
names = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
folder = pathlib.Path(samcli.__file__).parent / "local" / "rapid"
print(folder / ("aws-lambda-rie-" + names[platform.machine()]))
