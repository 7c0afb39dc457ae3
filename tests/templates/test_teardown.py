"""The schedule that removes staging: what it starts, and that there is none for production."""

import json

import yaml

from templates.cfn import load, teardown

STACK = teardown()
PROJECT = STACK.properties("Teardown")


def test_every_night_the_project_is_started() -> None:
    schedule = STACK.properties("Nightly")
    assert schedule["ScheduleExpression"] == "cron(0 20 * * ? *)"
    target = schedule["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:codebuild:startBuild"
    assert json.loads(target["Input"]) == {"ProjectName": STACK.ref("Teardown")}
    assert target["RoleArn"] == STACK.arn("ScheduleRole")


def test_the_project_removes_staging_as_an_operator_would() -> None:
    buildspec = yaml.safe_load(PROJECT["Source"]["BuildSpec"])
    assert buildspec["phases"]["build"]["commands"] == ["sh scripts/sluice destroy --environment staging --yes"]
    assert (PROJECT["Source"]["Location"], PROJECT["SourceVersion"]) == (
        "https://github.com/example/sluice.git",
        "develop",
    )
    assert PROJECT["ServiceRole"] == STACK.arn("Role")
    assert PROJECT["LogsConfig"]["CloudWatchLogs"]["GroupName"] == STACK.ref("Log")
    assert PROJECT["Environment"]["PrivilegedMode"] is False


def test_production_has_none() -> None:
    assert "Environment" not in load("teardown")["Parameters"]
    assert "production" not in json.dumps(load("teardown")["Resources"])


def test_no_deployment_has_it_unless_somebody_deploys_it() -> None:
    for name in ("root", "pipeline"):
        assert "teardown" not in json.dumps(load(name)).lower()
