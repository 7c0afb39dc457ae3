"""Lint has nothing to say of the code and the templates, and cfn-lint would have if there were something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.config import ConfigMixIn

from templates.cfn import FILES, ROOT


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess:
    """A command, in the environment that the tests run in and nothing else."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SLUICE_VENV": sys.prefix}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_lint_finds_nothing() -> None:
    found = run(["sh", ROOT / "scripts" / "lint"], ROOT)
    assert found.returncode == 0 and found.stderr.endswith("lint: clean\n"), found.stdout + found.stderr


def test_cfn_lint_looks_at_every_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert {ROOT / name for name in ConfigMixIn([]).templates} == set(FILES.values())


BROKEN = [
    ("queue.yaml", "VisibilityTimeout: 5400", "VisibilityTimout: 5400", "E3002"),  # an unknown property
    ("root.yaml", "IntakeQueueArn: !GetAtt Queue", "IntakeQueue: !GetAtt Queue", "E3043"),  # a parameter no child has
    ("root.yaml", "Value: !GetAtt Queue.Outputs.IntakeQueueUrl", "Value: !GetAtt Queue.Outputs.Url", "E6101"),
    ("iam.yaml", "dynamodb:UpdateItem", "dynamodb:UpdateItems", "W3037"),  # an action there is none of
    ("logs.yaml", "    DeletionPolicy: Delete\n", "", "I3011"),  # of the information level
]


def test_cfn_lint_sees_what_is_wrong(tmp_path: Path) -> None:
    """With the same configuration."""
    for path in (*FILES.values(), ROOT / ".cfnlintrc"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        text = path.read_text()
        for _, old, new, _ in (one for one in BROKEN if one[0] == path.name):
            assert old in text
            text = text.replace(old, new, 1)
        copy.write_text(text)
    named = {f"templates/{name}" for name, *_ in BROKEN}
    command = [Path(sys.executable).with_name("cfn-lint"), "--format", "parseable", *named]
    found = run(command, tmp_path).stdout.splitlines()
    for template, _, _, rule in BROKEN:
        assert any(line.startswith(f"templates/{template}:") and f":{rule}:" in line for line in found), (rule, found)
