"""What the build catches before anything is deployed."""

import os
import subprocess
import sys

import yaml

from support.checkout import ROOT, Checkout


def test_an_invalid_descriptor_fails_the_build_with_file_line_and_reason(tmp_path):
    checkout = Checkout(tmp_path)
    (tmp_path / "lambda" / "datasets" / "orders.yaml").write_text(
        "name: orders\nschema:\n  fields:\n    - {name: id, type: int}\n"
        "sluice:key: orders/{name}.csv\nsluice:processor: clean\n"
    )
    commands = yaml.safe_load((tmp_path / "buildspec.yml").read_text())["phases"]["pre_build"]["commands"]
    [tests] = [command for command in commands if command.startswith("sh scripts/test")]
    # The other tests of the build would take half a minute.
    done = subprocess.run(
        f"{tests} -n0 -k test_the_datasets_of_this_repository",
        shell=True,
        cwd=checkout.folder,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SLUICE_VENV": sys.prefix, "CI": "true"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    assert "lambda/datasets/orders.yaml:4: schema.fields.0: " in done.stdout


def test_nothing_is_stored_that_lint_scan_and_tests_have_not_passed():
    """CodeBuild goes on to `build` only where `pre_build` has gone well:
    https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details.html#view-build-details-phases"""
    phases = yaml.safe_load((ROOT / "buildspec.yml").read_text())["phases"]

    assert phases["pre_build"] == {
        "commands": [
            "sh scripts/lint",
            "sh scripts/scan --offline",
            "sh scripts/test tests/unit/sluice tests/templates --ignore tests/templates/test_lint.py",
        ]
    }
    storing = [name for name, phase in phases.items() if any("scripts/release" in one for one in phase["commands"])]
    assert storing == ["build"]
