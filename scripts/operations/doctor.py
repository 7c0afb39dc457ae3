"""`scripts/sluice doctor`: what is wrong with a deployment, and how it is mended."""

import typer

from operations.checks import CHECKS, examine
from operations.deployment import find
from operations.exits import DONE, NOT_DONE
from operations.options import EnvironmentOption, JsonOption, StackOption
from operations.output import print_json, printable


def doctor(
    environment: EnvironmentOption = None, stack: StackOption = None, as_json: JsonOption = False
) -> None:
    """Check subscriptions, dead letters, mappings, alarms and drift; exits with 1 where it finds anything."""
    deployment = find(environment, stack)
    found = []
    for finding in examine(deployment, CHECKS):
        found.append(finding)
        if not as_json:
            print(f"{finding.check:13}  {printable(finding.what)}")
            print(f"{'':13}  mend: {printable(finding.mend)}", flush=True)
    if as_json:
        findings = [finding.as_dict() for finding in found]
        print_json({"stack": deployment.stack, "checks": list(CHECKS), "findings": findings})
    elif not found:
        print(f"{deployment.stack} is well: {', '.join(CHECKS)}")
    raise typer.Exit(NOT_DONE if found else DONE)
