"""The workflow of pull requests: what its jobs may do, run and use; and the ruleset that makes them count."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
OWN_BRANCH = "github.event.pull_request.head.repo.full_name == github.repository"


class Loader(yaml.SafeLoader):
    """YAML 1.2, as GitHub reads it: `on` is text."""


Loader.yaml_implicit_resolvers = {
    letter: [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

[WORKFLOW] = (yaml.load(path.read_text(), Loader) for path in (GITHUB / "workflows").iterdir())
JOBS = WORKFLOW["jobs"]
STEPS = [pytest.param(job, step, id=f"{job} {index}") for job in JOBS for index, step in enumerate(JOBS[job]["steps"])]
RULESET = json.loads((GITHUB / "ruleset.json").read_text())


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def texts(node: object) -> Iterator[str]:
    """All texts in a part of the workflow, keys included."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    else:
        yield str(node)


def test_a_pull_request_starts_it_with_its_own_rights() -> None:
    """Never pull_request_target, which has the rights of the branch that is merged into."""
    assert WORKFLOW["on"] == "pull_request"


def test_the_jobs() -> None:
    assert {job: commands(job) for job in JOBS} == {
        "lint": ["sh scripts/lint"],
        "tests": ["sh scripts/test"],
        "security": ["sh scripts/scan"],
        "plan": ["sh scripts/preview"],
        "comment": ["python3 -m delivery.comment"],
    }
    for job in set(JOBS) - {"comment"}:
        [command] = commands(job)
        assert (ROOT / command.split()[1]).is_file()


def test_each_job_has_the_rights_that_it_needs_and_no_more() -> None:
    assert WORKFLOW["permissions"] == {}
    read = {"contents": "read"}
    assert {job: JOBS[job]["permissions"] for job in JOBS} == {
        "lint": read,
        "tests": read,
        "security": read,
        "plan": read | {"id-token": "write"},
        "comment": read | {"pull-requests": "write"},
    }


def test_forks_get_lint_and_tests_only() -> None:
    assert "if" not in JOBS["lint"] and "if" not in JOBS["tests"]
    assert JOBS["security"]["if"] == OWN_BRANCH
    assert JOBS["plan"]["if"] == f"{OWN_BRANCH} && vars.PLANNER_ROLE_ARN != ''"
    # Without a plan there is nothing to say.
    assert JOBS["comment"]["needs"] == "plan" and "needs.plan.result != 'skipped'" in JOBS["comment"]["if"]


def test_the_plan_comes_after_the_checks() -> None:
    assert JOBS["plan"]["needs"] == ["lint", "tests", "security"]


def test_there_are_no_stored_secrets() -> None:
    assert not [text for text in texts(WORKFLOW) if re.search(r"\bsecrets\b|aws-(access|secret)", text, re.IGNORECASE)]
    used = [step["env"] for job in JOBS.values() for step in job["steps"] if "GH_TOKEN" in step.get("env", {})]
    assert used == [step["env"] for step in JOBS["comment"]["steps"] if "env" in step]


def test_aws_is_reached_as_the_planner() -> None:
    [credentials] = [step for step in JOBS["plan"]["steps"] if "configure-aws" in step.get("uses", "")]
    assert credentials["with"] == {
        "role-to-assume": "${{ vars.PLANNER_ROLE_ARN }}",
        "aws-region": "${{ vars.AWS_REGION }}",
    }


@pytest.mark.parametrize(("job", "step"), STEPS)
def test_nothing_that_others_write_is_in_a_command(job: str, step: dict) -> None:
    """https://docs.github.com/en/actions/concepts/security/script-injections"""
    assert "${{" not in step.get("run", "")


@pytest.mark.parametrize(("job", "step"), STEPS)
def test_an_action_is_pinned_to_a_commit_of_a_known_owner(job: str, step: dict) -> None:
    if "uses" in step:
        name, _, commit = step["uses"].partition("@")
        assert name in ("actions/checkout", "actions/setup-python", "aws-actions/configure-aws-credentials")
        assert re.fullmatch(r"[0-9a-f]{40}", commit)


def test_a_pinned_action_names_its_version() -> None:
    """And the same action is everywhere the same."""
    text = next((GITHUB / "workflows").iterdir()).read_text()
    pinned = re.findall(r"uses: (\S+)(.*)", text)
    assert all(re.fullmatch(r"  # v\d+\.\d+\.\d+", version) for _, version in pinned)
    assert len(set(pinned)) == len({action.partition("@")[0] for action, _ in pinned})


@pytest.mark.parametrize("job", JOBS)
def test_a_checkout_keeps_no_token(job: str) -> None:
    [checkout] = [step for step in JOBS[job]["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["persist-credentials"] == "false"
    assert "ref" not in checkout["with"]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends(job: str) -> None:
    assert JOBS[job]["timeout-minutes"] <= 30
    assert re.fullmatch(r"ubuntu-\d\d\.\d\d", JOBS[job]["runs-on"])


def test_runs_of_a_pull_request_wait_for_each_other() -> None:
    """Cancelled, a plan would leave its change set, and two at once would post two comments."""
    assert WORKFLOW["concurrency"] == "pull-request-${{ github.event.pull_request.number }}"


def test_the_jobs_have_the_python_of_the_functions() -> None:
    buildspec = yaml.safe_load((ROOT / "buildspec.yml").read_text())
    for job in set(JOBS) - {"comment"}:
        [setup] = [step for step in JOBS[job]["steps"] if step.get("uses", "").startswith("actions/setup-python@")]
        assert setup["with"]["python-version"] == buildspec["phases"]["install"]["runtime-versions"]["python"]


def test_main_changes_by_approved_pull_requests_only() -> None:
    """The shape of https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset"""
    assert set(RULESET) == {"name", "target", "enforcement", "conditions", "bypass_actors", "rules"}
    assert (RULESET["target"], RULESET["enforcement"], RULESET["bypass_actors"]) == ("branch", "active", [])
    assert RULESET["conditions"] == {"ref_name": {"include": ["refs/heads/main"], "exclude": []}}
    rules = {rule["type"]: rule.get("parameters", {}) for rule in RULESET["rules"]}
    assert set(rules) == {"deletion", "non_fast_forward", "pull_request", "required_status_checks"}
    assert rules["pull_request"] == {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_last_push_approval": True,
        "require_code_owner_review": False,
        "required_review_thread_resolution": False,
    }


def test_the_checks_that_must_pass_are_jobs_of_the_workflow() -> None:
    """A job that is skipped passes: https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/about-status-checks"""
    [rule] = [rule for rule in RULESET["rules"] if rule["type"] == "required_status_checks"]
    required = rule["parameters"]["required_status_checks"]
    assert {check["context"] for check in required} == set(JOBS) - {"comment"}
    # GitHub Actions itself, so that nobody else can report them.
    assert {check["integration_id"] for check in required} == {15368}
    assert rule["parameters"]["strict_required_status_checks_policy"] is True
    assert not any("name" in job for job in JOBS.values())
