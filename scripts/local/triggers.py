"""Which pushes start a pipeline.

https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-filter.html: with a trigger,
its filters count and the source action's BranchName serves manual starts only; without one, every
push to BranchName starts the pipeline unless DetectChanges is false.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from local.actions import Revision
from local.artifacts import glob
from local.providers.source import git

PROVIDER = "CodeStarSourceConnection"


def starts(pipeline: Mapping[str, Any], revision: Revision) -> bool:
    """Whether the push of `revision` to its branch starts the pipeline."""
    sources = [
        action
        for stage in pipeline["Stages"]
        for action in stage["Actions"]
        if action["ActionTypeId"]["Provider"] == PROVIDER
    ]
    triggers = [
        trigger["GitConfiguration"] for trigger in pipeline.get("Triggers") or [] if trigger["ProviderType"] == PROVIDER
    ]
    if triggers:
        return any(_filtered(filter_, revision) for trigger in triggers for filter_ in trigger.get("Push") or [])
    return any(
        source["Configuration"].get("BranchName") == revision.branch
        and str(source["Configuration"].get("DetectChanges", "true")).lower() == "true"
        for source in sources
    )


def _filtered(push: Mapping[str, Any], revision: Revision) -> bool:
    """One filter: everything in it has to match; a filter of tags never matches a branch."""
    if "Tags" in push or not _matches(push.get("Branches"), [revision.branch]):
        return False
    return "FilePaths" not in push or _matches(push["FilePaths"], _changed(revision))


def _matches(criteria: Mapping[str, list[str]] | None, names: Iterable[str]) -> bool:
    """Whether any name is included and not excluded; excludes win over includes."""
    included, excluded = ((criteria or {}).get(key) for key in ("Includes", "Excludes"))
    return any(
        (included is None or any(glob(pattern).fullmatch(name) for pattern in included))
        and not any(glob(pattern).fullmatch(name) for pattern in excluded or ())
        for name in names
    )


def _changed(revision: Revision) -> list[str]:
    """The files that the push changed; all of them when the branch is new."""
    arguments = (
        ("diff", "--name-only", "-z", revision.previous, revision.commit)
        if revision.previous
        else ("ls-tree", "-r", "--name-only", "-z", revision.commit)
    )
    return [name for name in git(revision, *arguments).split("\0") if name]
