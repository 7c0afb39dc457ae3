"""docs/runbook.md: a section for every alarm there is, in which every command is one."""

import re
import shlex

import botocore.session
import pytest
from botocore import xform_name
from typer.main import get_command

from operations.cli import app
from operations.options import STATES
from support.runbook import PARTS, Section, commands, placeholders, sections
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
# The CLI's own commands, which are no operations of a service's API, and their options.
_AWS_COMMANDS = {("logs", "tail"): {"since", "filter-pattern"}}
# What the CLI calls otherwise than the API, what it takes without an option, and what every command has.
_RENAMED = {("sns", "subscribe"): {"endpoint": "notification-endpoint"}}
_OPERANDS = {("logs", "tail"): 1, ("lambda", "invoke"): 1}
_ALWAYS = {"cli-binary-format", "query"}
# Values of ours and of AWS that are in capital letters.
_VALUES = STATES | {"ERROR", "MODIFY", "AT_TIMESTAMP"}


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


def ask(service: str, operation: str, *words: str) -> None:
    """Reads a command line of `aws` as its API takes it: an operation, its options, and a value for each."""
    command = (service, operation)
    known, required = _AWS_COMMANDS.get(command, set()), set()
    if command not in _AWS_COMMANDS:
        model = botocore.session.get_session().get_service_model(service)
        shape = model.operation_model("".join(part.title() for part in operation.split("-"))).input_shape
        renamed = _RENAMED.get(command, {})
        known, required = (
            {renamed.get(name, name) for name in (xform_name(member, "-") for member in members)}
            for members in (shape.members, shape.required_members)
        )
    rest, options, operands = list(words), set(), 0
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            operands += 1
            continue
        options.add(word[2:])
        assert rest and not rest.pop(0).startswith("--"), f"{word} has no value"
    assert options <= known | _ALWAYS and required <= options, f"{command}: {options}"
    assert operands == _OPERANDS.get(command, 0), f"{command}: {operands} operands"


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "aws"], ids=" ".join)
def test_every_command_of_aws_is_an_operation_with_its_options(words: list[str]):
    ask(*words[1:])


@pytest.mark.parametrize(
    "line",
    [
        "logs tail G --filter-pattern ?Task ?Runtime",
        "logs tail G --nonsense 1",
        "sqs purge-queue",
        "sqs purge-queue --queue-url",
        "sqs nonsense --queue-url U",
    ],
)
def test_what_aws_would_refuse_would_be_found(line: str):
    with pytest.raises((AssertionError, botocore.model.OperationNotFoundError)):
        ask(*line.split())


def test_a_shell_leaves_the_commands_as_they_are():
    lines = [line for section in SECTIONS for part in PARTS for line in section.lines(part)]
    bare = [word for line in lines for word in shlex.split(line, posix=False) if word[0] not in "'\""]
    assert [word for word in bare if set(word) & set("?*[]{}<>$|&;()~")] == []


def test_what_is_to_be_filled_in_is_in_the_table():
    bare = {part for words in commands() for word in words for part in re.split(r"[^\w-]", word)}
    used = {part for part in bare if re.fullmatch("[A-Z_]{2,}", part)} - _VALUES
    assert used == placeholders()


@pytest.mark.parametrize("words", [["status", "--nonsense"], ["nonsense"], ["logs"], ["status", "--since", "then"]])
def test_what_is_no_command_would_be_found(words: list[str]):
    with pytest.raises(Exception, match=r"such|nonsense|Missing|no time"):
        parse(words)
