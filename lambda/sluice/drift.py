"""What of a deployment is no longer as its templates say, because somebody has changed or deleted it otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

# A topic takes 256 KB.
_LISTED = 200


@dataclass(frozen=True)
class Drifted:
    """A resource, by its path of logical ids (`Queue/Intake`), that is `MODIFIED` in these properties, or `DELETED`."""

    path: str
    kind: str
    status: str
    properties: tuple[str, ...]

    def __str__(self) -> str:
        changed = f": {', '.join(self.properties)}" if self.properties else ""
        return f"{self.path} ({self.kind}) is {self.status}{changed}"


@dataclass(frozen=True)
class Finding:
    """What was found of one stack: what has drifted, and the problem where not all could be checked."""

    path: str
    stack_id: str
    drifted: tuple[Drifted, ...]
    problem: str


def subject(environment: str, findings: Sequence[Finding]) -> str:
    """The mail's subject, within the 100 characters that SNS takes."""
    count = sum(len(finding.drifted) for finding in findings)
    if not count:
        return f"Sluice {environment}: drift could not be checked"
    return f"Sluice {environment}: {count} resource{'s have' if count > 1 else ' has'} drifted"


def text(environment: str, findings: Sequence[Finding]) -> str:
    """What has drifted, with a link for each stack, what could not be checked, and what to do."""
    lines = [f"{subject(environment, findings)} from the templates.", ""]
    listed = 0
    for finding in findings:
        shown = finding.drifted[: _LISTED - listed]
        listed += len(shown)
        lines += [str(one) for one in shown]
        if len(shown) < len(finding.drifted):
            lines.append(f"... and {len(finding.drifted) - len(shown)} more of this stack")
        if finding.problem:
            lines.append(f"{finding.path or 'The root stack'} could not be checked wholly: {finding.problem}")
        lines += [f"Expected and actual values: {_link(finding.stack_id)}", ""]
    lines.append(
        "Undo what was changed by hand, or say it in the templates and push: until then a deployment may overwrite it, "
        "or fail on it."
    )
    return "\n".join(lines)


def _link(stack_id: str) -> str:
    region = stack_id.split(":")[3]
    return (
        f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks/drifts"
        f"?stackId={quote(stack_id, safe='')}"
    )
