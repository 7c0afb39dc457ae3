"""What a buildspec may say: the schema's form, and what this machine can do of it."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from local import buildspec
from local.buildspec import BuildspecError, parse
from templates.cfn import ROOT, resources

SCHEMA = Path(buildspec.__file__).with_name("buildspec.schema.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phases: {}", "version is missing"),
        ("version: 0.1\nphases: {}", 'version: "0.2" was expected'),
        ("version: 0.2", "phases is missing"),
        ("version: 0.2\nphase: {}", "unknown key 'phase'"),
        ("version: 0.2\nphases: {deploy: {commands: []}}", "phases: unknown key 'deploy'"),
        ("version: 0.2\nphases: {build: {command: []}}", "phases.build: unknown key 'command'"),
        ("version: 0.2\nphases: {build: {finally: []}}", "phases.build.commands is missing"),
        ("version: 0.2\nphases: {build: {commands: echo x}}", "phases.build.commands must be a list"),
        ("version: 0.2\nphases:\n  build:\n    commands:\n      - echo key: value", "quote a command"),
        ("version: 0.2\nphases: {build: {commands: [], on-failure: RETRY}}", "RETRY is not supported"),
        (
            "version: 0.2\nphases: {build: {commands: [], runtime-versions: {python: 3.13}}}",
            "unknown key 'runtime-versions'",
        ),
        ("version: 0.2\nphases: {build: {commands: [], run-as: ann}}", "run-as is not supported"),
        ("version: 0.2\nphases: {}\nrun-as: ann", "run-as is not supported"),
        ("version: 0.2\nphases: {}\nproxy: {logs: yes}", "proxy is not supported"),
        ("version: 0.2\nphases: {}\nbatch: {}", "batch is not supported"),
        ("version: 0.2\nphases: {}\nenv: {variable: {}}", "env: unknown key 'variable'"),
        ("version: 0.2\nphases: {}\nenv: {shell: powershell.exe}", "env.shell"),
        ("version: 0.2\nphases: {}\nenv: {variables: {CODEBUILD_X: 1}}", "CODEBUILD_X"),
        ("version: 0.2\nphases: {}\nenv: {variables: {X: [1]}}", "env.variables.X must be text"),
        (
            "version: 0.2\nphases: {}\nenv: {exported-variables: [AWS_REGION]}",
            "AWS_REGION is a secret or starts with AWS_",
        ),
        ("version: 0.2\nphases: {}\nenv: {parameter-store: {P: /p}, exported-variables: [P]}", "P is a secret"),
        ("version: 0.2\nphases: {}\nenv: {git-credential-helper: yes}", "git-credential-helper"),
        ("version: 0.2\nphases: {}\nartifacts: {name: x}", "artifacts.files is missing"),
        ("version: 0.2\nphases: {}\nartifacts: {files: [x], exclude: y}", "artifacts: unknown key 'exclude'"),
        ("version: 0.2\nphases: {}\nartifacts: {files: [x], enable-symlinks: yes}", "enable-symlinks"),
        ("version: 0.2\nphases: {}\nartifacts: {files: [x], s3-prefix: y}", "s3-prefix"),
        ("version: 0.2\nphases: {}\nartifacts: {files: [x], discard-paths: maybe}", "discard-paths: .maybe. is not"),
        ("version: 0.2\nphases: {}\nreports: {unit: {file: []}}", "reports.unit: unknown key 'file'"),
        ("version: 0.2\nphases: {}\ncache: {path: []}", "cache: unknown key 'path'"),
        ("version: 0.2\nversion: 0.2\nphases: {}", "line 2: version is given twice"),
        ("version: 0.2\nphases: [", "not YAML"),
        ("[]", "buildspec must be a mapping"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(BuildspecError, match=message.replace("[", r"\[")):
        parse(text)


def test_the_schema_is_one_and_parts_of_it_are_all_used() -> None:
    """A part that nothing refers to would check nothing."""
    schema = json.loads(SCHEMA.read_text())
    jsonschema_rs.meta.validate(schema)
    used = set(re.findall(r"#/\$defs/([a-z-]+)", SCHEMA.read_text()))
    assert used == set(schema["$defs"])


BUILDSPECS = sorted(ROOT.glob("buildspec*.yml"))
# A template holds one as text.
INLINE = [one["Properties"]["Source"]["BuildSpec"] for _, _, one in resources("AWS::CodeBuild::Project")]
TEXTS = [path.read_text() for path in BUILDSPECS] + [text for text in INLINE if "\n" in text]


@pytest.mark.parametrize("text", TEXTS)
def test_the_buildspecs_of_the_project_are_of_the_form(text: str) -> None:
    assert parse(text).phases
    with pytest.raises(BuildspecError, match="phases.build: unknown key 'comands'"):
        parse(text.replace("commands:", "comands:"))


def test_every_buildspec_that_a_project_names_is_there() -> None:
    assert {ROOT / text for text in INLINE if "\n" not in text} == set(BUILDSPECS)
