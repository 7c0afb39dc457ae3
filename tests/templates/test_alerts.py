"""What is told of the pipeline: which events, whom, in which words. The local cloud's own code applies the rules."""

import copy
import json
from urllib.parse import urlsplit

import pytest
from ministack.services import eventbridge

from templates.cfn import REGION, ROOT, deployment

PIPELINE = deployment("production", alert_email="ops@example.org")["pipeline"]
RULES = {logical for logical, one in PIPELINE.resources.items() if one["Type"] == "AWS::Events::Rule"}
EXECUTION = "12345678-1234-5678-abcd-12345678abcd"


def event(name: str, **detail: object) -> dict:
    """A file of tests/events, of our pipeline, with some of its detail changed."""
    found = json.loads((ROOT / "tests" / "events" / f"{name}.json").read_text())
    found["detail"] |= {"pipeline": PIPELINE.ref("Pipeline"), **detail}
    return found


def told(event: dict) -> dict[str, str]:
    """The text that each rule that the event matches sends to the topic."""
    view = eventbridge._EventView(
        {key: value for key, value in event.items() if key != "detail"}, json.dumps(event["detail"])
    )
    texts = {}
    for logical in RULES:
        rule = PIPELINE.properties(logical)
        if eventbridge._matches_pattern_view(json.dumps(rule["EventPattern"]), view):
            [target] = rule["Targets"]
            assert target["Arn"] == PIPELINE.ref("AlertTopic")
            texts[logical] = json.loads(eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    return texts


@pytest.mark.parametrize("state", ["FAILED", "STOPPED"])
def test_an_execution_that_failed_or_was_stopped_is_told_of_with_a_link(state: str) -> None:
    [(logical, text)] = told(event("pipeline-execution", state=state)).items()
    assert logical == "Unfinished"
    assert text.startswith("Sluice production: ") and f"ended as {state}" in text
    pipeline = PIPELINE.ref("Pipeline")
    assert link(text) == (
        f"https://{REGION}.console.aws.amazon.com/codesuite/codepipeline/pipelines/{pipeline}/executions/{EXECUTION}"
        f"/timeline?region={REGION}"
    )


def test_an_execution_that_waits_for_approval_is_told_of_with_a_link() -> None:
    [(logical, text)] = told(event("pipeline-action")).items()
    assert logical == "WaitingForApproval"
    assert text.startswith("Sluice production: ") and "waits for approval in its stage Approve" in text
    pipeline = PIPELINE.ref("Pipeline")
    assert link(text) == (
        f"https://{REGION}.console.aws.amazon.com/codesuite/codepipeline/pipelines/{pipeline}/view?region={REGION}"
    )


def link(text: str) -> str:
    """The one link in it; what ends it is a space, so that no mail program takes more for it."""
    assert not set('<>"\n') & set(text)
    [found] = [word for word in text.split(" ") if urlsplit(word).scheme == "https"]
    return found


@pytest.mark.parametrize("state", ["STARTED", "SUCCEEDED", "SUPERSEDED", "STOPPING", "RESUMED", "CANCELED"])
def test_what_goes_well_or_goes_on_is_not_told(state: str) -> None:
    assert told(event("pipeline-execution", state=state)) == {}


def test_what_else_an_approval_or_another_action_does_is_not_told() -> None:
    assert told(event("pipeline-action", state="SUCCEEDED")) == {}
    build = {"owner": "AWS", "category": "Build", "provider": "CodeBuild", "version": "1"}
    assert told(event("pipeline-action", type=build)) == {}


def test_another_pipeline_is_not_ours_to_tell_of() -> None:
    for name in ("pipeline-execution", "pipeline-action"):
        assert told(event(name, pipeline="somebody-elses")) == {}
        foreign = copy.deepcopy(event(name)) | {"source": "somebody.elses"}
        assert told(foreign) == {}


def test_alerts_of_the_pipeline_are_mailed_where_an_address_is_given() -> None:
    mail = PIPELINE.properties("AlertMail")
    assert mail == {"TopicArn": PIPELINE.ref("AlertTopic"), "Protocol": "email", "Endpoint": "ops@example.org"}
    assert PIPELINE.outputs["AlertTopicArn"] == PIPELINE.ref("AlertTopic")
