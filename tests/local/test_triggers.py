"""Which pushes start a pipeline, by the filters of its definition."""

import subprocess
from pathlib import Path

import pytest
import yaml

from local import codepipeline
from local.actions import Revision
from local.cloud import Cloud
from local.providers.source import git
from local.triggers import starts

TRIGGER = "{ProviderType: CodeStarSourceConnection, GitConfiguration: {SourceActionName: Source, Push: [%s]}}"


@pytest.mark.parametrize(
    ("source", "push", "branch", "expected"),
    [
        ("BranchName: main", None, "main", True),
        ("BranchName: main", None, "other", False),
        ("{BranchName: main, DetectChanges: false}", None, "main", False),
        ("{BranchName: main, DetectChanges: 'true'}", None, "main", True),
        ("BranchName: other", "{Branches: {Includes: [main]}}", "main", True),
        ("BranchName: other", "{Branches: {Includes: [main]}}", "other", False),
        ("BranchName: main", "{Branches: {Includes: ['release/*']}}", "release/1", True),
        ("BranchName: main", "{Branches: {Includes: ['release/*']}}", "release/1/2", False),
        ("BranchName: main", "{Branches: {Includes: ['**'], Excludes: [main]}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [x]}}, {Branches: {Includes: [main]}}", "main", True),
        ("BranchName: main", "{Tags: {Includes: ['*']}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Includes: ['lambda/**']}}", "main", True),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Includes: ['templates/**']}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Excludes: ['**/*.py']}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Excludes: ['docs/**']}}", "main", True),
    ],
)
def test_which_pushes_start_a_pipeline(
    two_commits: Revision, source: str, push: str | None, branch: str, expected: bool
) -> None:
    source = source if source.startswith("{") else f"{{{source}}}"
    pipeline = yaml.safe_load(
        "{Stages: [{Name: S, Actions: [{Name: Source, ActionTypeId: {Provider: CodeStarSourceConnection}, "
        f"Configuration: {source}}}]}}], Triggers: [{TRIGGER % push if push else ''}]}}"
    )
    revision = Revision(two_commits.repository, branch, two_commits.commit, two_commits.previous)
    assert starts(pipeline, revision) == expected


def test_git_variables_of_the_caller_do_not_count(
    cloud: Cloud, two_commits: Revision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git(two_commits, "rev-parse", "HEAD").strip() == two_commits.commit
    codepipeline.create_repository(tmp_path / "made.git", cloud)
    assert (tmp_path / "made.git" / "HEAD").exists() and not (tmp_path / "elsewhere").exists()


def test_a_new_branch_changes_every_file(two_commits: Revision) -> None:
    pipeline = {
        "Stages": [],
        "Triggers": [
            {
                "ProviderType": "CodeStarSourceConnection",
                "GitConfiguration": {"Push": [{"FilePaths": {"Includes": ["templates/*"]}}]},
            }
        ],
    }
    assert not starts(pipeline, two_commits)
    assert starts(pipeline, Revision(two_commits.repository, "main", two_commits.commit))


@pytest.fixture(scope="module")
def two_commits(tmp_path_factory: pytest.TempPathFactory) -> Revision:
    """templates/a.yaml, then lambda/b.py."""
    folder = tmp_path_factory.mktemp("repository")
    commits = []
    git = ["git", "-C", str(folder), "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    for name in ("templates/a.yaml", "lambda/b.py"):
        (folder / name).parent.mkdir()
        (folder / name).write_text(name)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", name], check=True)
        commits.append(
            subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        )
    return Revision(folder, "main", commits[1], commits[0])
