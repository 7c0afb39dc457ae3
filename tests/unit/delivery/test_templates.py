"""Packaging: what the build does to the text of the templates."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from delivery.templates import TemplateError, package

ROOT = """\
# Nests two.
# TemplateURL: old.yaml
Resources:
  Queue:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: queue.yaml
  Function:
    Type: AWS::CloudFormation::Stack
    DependsOn: Queue
    Properties:
      Parameters: {Url: !GetAtt Queue.Outputs.Url, Note: 'TemplateURL: not this'}
      TemplateURL:   sub/function.yaml   # the function
  Direct:
    Type: AWS::SNS::Topic
"""
QUEUE = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n"
FUNCTION = "Resources:\n  Function:\n    Type: AWS::Lambda::Function\n    Description: !Sub ü TEMPLATE_DIGEST\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "root.yaml").write_bytes(ROOT.encode())
    (tmp_path / "queue.yaml").write_bytes(QUEUE.encode())
    (tmp_path / "sub" / "function.yaml").write_bytes(FUNCTION.encode())
    return tmp_path


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def url(text: str) -> str:
    return f"!Sub https://s3.${{AWS::Region}}.${{AWS::URLSuffix}}/${{ArtifactBucket}}/templates/{sha256(text)}.yaml"


def test_root_names_its_children_by_content_and_is_otherwise_unchanged(folder: Path):
    function = FUNCTION.replace("TEMPLATE_DIGEST", sha256(FUNCTION)[:12])
    packaged = package(folder)
    assert packaged.root == ROOT.replace("URL: queue.yaml", f"URL: {url(QUEUE)}").replace(
        "sub/function.yaml", url(function)
    )
    assert packaged.root_digest == sha256(packaged.root)
    assert packaged.children == {sha256(QUEUE): QUEUE, sha256(function): function}


def test_a_nested_parameter_admits_a_value_that_is_not_known_yet(folder: Path):
    pattern = "^$|^arn:[a-z]+$"
    written = f"Parameters:\n  Arn:\n    AllowedPattern: {pattern}\n{QUEUE}"
    (folder / "queue.yaml").write_text(written)
    (folder / "root.yaml").write_text(written.partition("Resources:")[0] + ROOT)
    packaged = package(folder)
    [text] = [text for text in packaged.children.values() if "Queue" in text]
    relaxed = yaml.safe_load(text)["Parameters"]["Arn"]["AllowedPattern"]
    admitted = ["", "arn:aws", "{{IntrinsicFunction:arn:aws:cloudformation:1:stack/s/1/Queue.Outputs.Arn/Fn::GetAtt}}"]
    assert [bool(re.fullmatch(relaxed, value)) for value in [*admitted, "other"]] == [True, True, True, False]
    assert text.replace(relaxed, pattern) == written and pattern in packaged.root


def test_line_ends_are_kept(folder: Path):
    (folder / "root.yaml").write_bytes(ROOT.replace("\n", "\r\n").encode())
    packaged = package(folder)
    assert packaged.root.count("\r\n") == ROOT.count("\n")
    assert f"URL: {url(QUEUE)}\r\n" in packaged.root


def test_a_change_of_one_template_changes_its_own_name_only(folder: Path):
    before = package(folder)
    (folder / "sub" / "function.yaml").write_text(FUNCTION + "# changed\n")
    after = package(folder)
    assert before.root_digest != after.root_digest
    assert sha256(QUEUE) in before.children.keys() & after.children.keys()
    assert len(before.children.keys() | after.children.keys()) == 3


def test_one_template_may_be_nested_twice(folder: Path):
    (folder / "root.yaml").write_text(ROOT.replace("sub/function.yaml", "queue.yaml"))
    packaged = package(folder)
    assert packaged.root.count(url(QUEUE)) == 2
    assert len(packaged.children) == 1


def test_a_missing_child_is_named(folder: Path):
    (folder / "queue.yaml").unlink()
    with pytest.raises(TemplateError, match=r"root\.yaml: nests queue\.yaml, but .*queue\.yaml does not exist"):
        package(folder)


@pytest.mark.parametrize(
    "written",
    [
        "TemplateURL: !Sub https://example.com/queue.yaml",
        "TemplateURL: https://example.com/queue.yaml",
        "TemplateURL: 'queue.yaml'",
        "TemplateURL:\n        queue.yaml",
        "TemplateURL: [queue.yaml]",
        "Parameters: {}",
    ],
)
def test_a_child_that_would_not_be_packaged_is_named(folder: Path, written: str):
    (folder / "root.yaml").write_text(ROOT.replace("TemplateURL: queue.yaml", written))
    with pytest.raises(TemplateError, match=r"root\.yaml: cannot package the TemplateURL of Queue \("):
        package(folder)


def test_a_line_that_only_looks_like_a_nested_template_is_refused(folder: Path):
    text = ROOT + "Description: |\n  TemplateURL: queue.yaml\n"
    (folder / "root.yaml").write_text(text)
    with pytest.raises(TemplateError, match="cannot package the TemplateURL of a comment or text"):
        package(folder)


def test_children_nest_nothing(folder: Path):
    (folder / "queue.yaml").write_text(ROOT)
    with pytest.raises(TemplateError, match=r"queue\.yaml: nests Queue, Function; only root\.yaml may"):
        package(folder)


def test_the_root_has_no_digest_of_itself(folder: Path):
    (folder / "root.yaml").write_text(ROOT.replace("Nests two", "TEMPLATE_DIGEST"))
    with pytest.raises(TemplateError, match="TEMPLATE_DIGEST is replaced in nested templates only"):
        package(folder)


def test_the_projects_own_templates():
    folder = Path(__file__).parents[3] / "templates"
    packaged = package(folder)
    source = (folder / "root.yaml").read_text()
    names = re.findall(r"TemplateURL: ([\w-]+\.yaml)", source)
    assert len(names) == len(packaged.children) == packaged.root.count("/${ArtifactBucket}/templates/")
    assert not any("TEMPLATE_DIGEST" in text for text in packaged.children.values())
    changed = [
        line for line, before in zip(packaged.root.splitlines(), source.splitlines(), strict=True) if line != before
    ]
    assert len(changed) == len(names)
