"""docs/runbook.md: a section for every alarm there is, in which every command is one."""

import botocore.session
import pytest
from typer.main import get_command

from operations.cli import app
from support.runbook import PARTS, Section, commands, sections
from templates.cfn import FILES, ROOT, load, resources

SECTIONS = sections()
# What mails somebody, or has CodeDeploy turn back.
ALARMS = {
    (logical, str(FILES[name].relative_to(ROOT)))
    for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    for name, logical, _ in resources(kind)
} | {
    (logical, "pipeline.yaml")
    for logical, resource in load("pipeline")["Resources"].items()
    if resource["Type"] == "AWS::Events::Rule"
}
# The CLI's own commands, which are no operations of a service's API.
_AWS_COMMANDS = {("logs", "tail")}


def parse(words: list[str]) -> None:
    """Reads a command line of `scripts/sluice` as the program does, and does nothing."""
    command, rest = get_command(app), list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("command", rest)


def test_every_alarm_has_a_section_and_every_section_an_alarm():
    assert sorted((section.alarm, section.template) for section in SECTIONS) == sorted(ALARMS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.alarm)
def test_a_section_says_what_it_means_how_to_look_and_how_to_fix(section: Section):
    assert tuple(section.parts) == PARTS
    assert all(text.strip() for text in section.parts.values())
    assert not section.commands("Means") and section.commands("Look") and section.commands("Fix")
    used = [words[0] for part in PARTS for words in section.commands(part)]
    assert "scripts/sluice" in used and set(used) <= {"scripts/sluice", "aws"}


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "scripts/sluice"], ids=" ".join)
def test_every_command_of_ours_is_one(words: list[str]):
    parse(words[1:])


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "aws"], ids=" ".join)
def test_every_command_of_aws_is_an_operation(words: list[str]):
    service, operation = words[1:3]
    model = botocore.session.get_session().get_service_model(service)

    name = "".join(part.title() for part in operation.split("-"))
    assert (service, operation) in _AWS_COMMANDS or name in model.operation_names


@pytest.mark.parametrize("words", [["status", "--nonsense"], ["nonsense"], ["logs"], ["status", "--since", "then"]])
def test_what_is_no_command_would_be_found(words: list[str]):
    with pytest.raises(Exception, match=r"such|nonsense|Missing|no time"):
        parse(words)
