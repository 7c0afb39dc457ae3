"""The comment on a pull request: made once, then replaced."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from delivery import comment

# Answers as GitHub's API does, a comment a page, from comments.json.
GH = f"""#!{sys.executable}
import json, pathlib, sys
store = pathlib.Path(__file__).with_name("comments.json")
comments = json.loads(store.read_text())
api, *arguments = sys.argv[1:]
assert api == "api"
path = next(one for one in arguments if one.startswith("repos/example/sluice/issues/"))
if arguments == ["--paginate", "--slurp", "repos/example/sluice/issues/7/comments?per_page=100"]:
    print(json.dumps([[one] for one in comments] or [[]]))
    sys.exit()
assert arguments == ["--method", arguments[1], path, "--input", "-"], arguments
body = json.load(sys.stdin)["body"]
if len(body) > 65_536:
    sys.exit("HTTP 422: body is too long")
if arguments[1] == "POST" and path.endswith("/7/comments"):
    comments.append({{"id": 100 + len(comments), "user": {{"login": "github-actions[bot]"}}, "body": body}})
elif arguments[1] == "PATCH":
    [old] = [one for one in comments if path.endswith(f"/issues/comments/{{one['id']}}")]
    old["body"] = body
else:
    sys.exit("HTTP 404")
store.write_text(json.dumps(comments))
"""
RUN = "https://github.com/example/sluice/actions/runs/1"


@pytest.fixture
def comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict]]:
    """The comments that there are; with an argument, those that there are to be."""
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    store = tmp_path / "comments.json"
    store.write_text("[]")

    def access(given: list[dict] | None = None) -> list[dict]:
        if given is not None:
            store.write_text(json.dumps(given))
        return json.loads(store.read_text())

    return access


def said(login: str, body: str, number: int) -> dict:
    return {"id": number, "user": {"login": login}, "body": body}


def test_the_first_plan_makes_a_comment_and_the_next_replaces_it(comments: Callable[..., list[dict]]) -> None:
    others = [said("reviewer", "Looks good", 1), said("github-actions[bot]", "coverage: 100%", 2)]
    comments(others)
    comment.post("example/sluice", 7, "first")
    comment.post("example/sluice", 7, "second")
    assert comments() == [*others, said("github-actions[bot]", "<!-- sluice: plan -->\nsecond", 102)]


def test_a_comment_of_somebody_else_is_never_taken_for_ours(comments: Callable[..., list[dict]]) -> None:
    """A token that may comment may also change what others wrote."""
    theirs = said("reviewer", "<!-- sluice: plan -->\nmine", 1)
    comments([theirs])
    comment.post("example/sluice", 7, "ours")
    assert comments()[0] == theirs and len(comments()) == 2


def test_a_long_plan_is_cut_to_what_a_comment_holds(comments: Callable[..., list[dict]]) -> None:
    comment.post("example/sluice", 7, comment.body("x" * 100_000, RUN))
    [made] = comments()
    assert "**Cut here**" in made["body"] and RUN in made["body"]
    assert "**Cut here**" not in comment.body("x" * 1000, RUN)


@pytest.mark.parametrize(("plan", "text"), [("### Plan\n", "### Plan"), ("", "### No plan")])
def test_the_command_posts_what_the_plan_job_hands_over(
    comments: Callable[..., list[dict]], monkeypatch: pytest.MonkeyPatch, plan: str, text: str
) -> None:
    environment = {
        "GITHUB_REPOSITORY": "example/sluice", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "1",
        "PULL_REQUEST": "7", "PLAN": plan,
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    comment.main()
    [made] = comments()
    assert made["body"].splitlines()[1] == text and RUN in made["body"]


def test_a_refusal_fails_the_job(comments: Callable[..., list[dict]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_SERVER_URL", "GITHUB_RUN_ID", "PLAN"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("GITHUB_REPOSITORY", "example/other")
    monkeypatch.setenv("PULL_REQUEST", "7")
    with pytest.raises(SystemExit, match="gh failed with status 1"):
        comment.main()
