"""How commands of `scripts/sluice` end: by which exit code, with which advice."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from typer.main import get_command

from operations import cli, deployment
from sluice.errors import TransientError

COMMANDS = get_command(cli.app).commands


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NoCredentialsError(), "Run `aws configure` or `aws sso login`"),
        (EndpointConnectionError(endpoint_url="http://x"), "Check the network, the region's name and AWS_ENDPOINT_URL"),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Query"), "Use credentials that may read"),
        (ClientError({"Error": {"Code": "AuthorizationError", "Message": "no"}}, "Publish"), "Use credentials that"),
        (ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "Query"), "slow. Do it again"),
        (TransientError("SQS took 9 of 10 messages"), "SQS took 9 of 10 messages. Do it again"),
    ],
)
def test_an_error_of_aws_is_1_and_says_what_to_do(sluice, monkeypatch, error, advice):
    def fail(*_):
        raise error

    monkeypatch.setattr(deployment, "clients", fail)

    answer = sluice("status", code=1)

    assert advice in answer.err and answer.err.startswith("scripts/sluice status: ") and answer.out == ""


def test_an_interruption_is_130(sluice, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(deployment, "clients", interrupt)

    assert sluice("status", code=130).err == "scripts/sluice status: interrupted\n"


def test_the_help_tells_every_exit_code(sluice):
    text = " ".join(sluice("--help").out.split())

    assert all(part in text for part in ("0 done", "1 AWS did not", "2 wrong command line", "3 PARTIAL", "130 interru"))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "dataset"])
def test_every_command_has_help_and_json(name):
    options = {option for one in COMMANDS[name].params for option in one.opts}

    assert COMMANDS[name].help and "--json" in options


def test_the_commands_for_datasets_have_json_too():
    for command in COMMANDS["dataset"].commands.values():
        assert "--json" in {option for one in command.params for option in one.opts}


def test_main_returns_the_exit_code(capsys):
    assert cli.main(["--help"]) == 0
    assert cli.main(["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
