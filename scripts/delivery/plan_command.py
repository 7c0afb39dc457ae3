"""`scripts/plan`: the plan of a deployment, for a shell, a reader and a program.

Writes into the output folder:
- plan.json: {stack, environment, change_set, lane, blocked, summary, changes}; each of `changes` has path, type,
  action, properties, stateful and certain (see `delivery.changes.Change`), `blocked` are the reasons why not to deploy;
- plan.md: the same for a reader; it is also stored as plans/<change set>.md in the artifact bucket;
- plan.env: sets LANE, CHANGE_SET, PLAN_SUMMARY and PLAN_URL for a shell to read.
"""

import argparse
import datetime
import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from delivery import artifact, assumed, configuration, prefix_lists
from delivery.plan import Plan, PlanError, Request, make

BLOCKED = 3  # exit status


def _store(s3: Any, bucket: str, name: str, text: str) -> str:
    """Keep the plan for its readers; return the address to read it at."""
    key = f"plans/{name}.md"
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="text/markdown; charset=utf-8")
    region = s3.meta.region_name
    return f"https://{region}.console.aws.amazon.com/s3/object/{bucket}?region={region}&prefix={quote(key)}"


def write(plan: Plan, url: str, out_dir: Path) -> None:
    """Write plan.json, plan.md and plan.env."""
    out_dir.mkdir(exist_ok=True)
    (out_dir / "plan.json").write_text(json.dumps(plan.as_dict(), indent=1) + "\n", encoding="utf-8")
    (out_dir / "plan.md").write_text(plan.as_markdown(), encoding="utf-8")
    # An exported variable of a build must not be empty.
    variables = {
        "LANE": plan.lane,
        "CHANGE_SET": plan.change_set or "none",
        "PLAN_SUMMARY": plan.summary,
        "PLAN_URL": url,
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (out_dir / "plan.env").write_text("".join(lines), encoding="utf-8")


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/plan",
        description="Says what a deployment would change. Writes build/plan.json, plan.md and plan.env. "
        "Exit status 0: planned; 3: planned, but must not be deployed.",
    )
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--bucket", required=True, help="artifact bucket, in which the plan is stored")
    parser.add_argument("--assume-role", metavar="ARN", help="role that may plan the stack (default: your own rights)")
    parser.add_argument("--template", required=True, type=Path, help="packaged root template (build/root.yaml)")
    parser.add_argument("--configuration", required=True, type=Path, help="environments/<environment>.json")
    parser.add_argument("--role-arn", required=True, help="role that CloudFormation deploys with")
    parser.add_argument(
        "--parameter", action="append", default=[], type=_pair, metavar="KEY=VALUE",
        help="parameter of the template; wins over the configuration's (repeatable)",
    )  # fmt: skip
    parser.add_argument("--environment", help="environment (default: the configuration's)")
    parser.add_argument("--keep", action="store_true", help="keep the change set, for it to be executed")
    parser.add_argument(
        "--allow-replacement", action="append", default=[], metavar="PATH[,PATH]",
        help="stateful resource (Buckets/Uploads) that may be replaced or removed in production",
    )  # fmt: skip
    parser.add_argument("--tested-bucket", default="", help="bucket with staging's stamps of tested artifacts")
    parser.add_argument("--allow-untested", default="", metavar="DIGEST", help="artifact that needs no such stamp")
    parser.add_argument("--json", action="store_true", help="print plan.json instead of the summary")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    try:
        settings = configuration.read(options.configuration)
        parameters = settings["Parameters"] | dict(options.parameter)
        environment = options.environment or parameters["Environment"]
        if environment != parameters["Environment"]:
            # Or a line in a file would lift the guards of production.
            raise PlanError(f"{options.configuration}: Environment is not {environment}, which this deploys")
        target = assumed.session(options.assume_role) if options.assume_role else boto3
        request = Request(
            stack=options.stack,
            environment=environment,
            template=options.template.read_bytes().decode(),
            parameters=prefix_lists.completed(target.client, parameters),
            tags=settings["Tags"],
            role_arn=options.role_arn,
            is_kept=options.keep,
            allowed_replacements=[path for one in options.allow_replacement for path in one.split(",")],
            tested_bucket=options.tested_bucket,
            allowed_untested=options.allow_untested,
        )
        s3 = boto3.client("s3")
        plan = make(target.client("cloudformation"), s3, request, _say)
        name = plan.change_set or f"{plan.stack}-{datetime.datetime.now(datetime.UTC):%Y%m%d%H%M%S%f}"
        url = _store(s3, options.bucket, name, plan.as_markdown())
    except (PlanError, configuration.ConfigurationError, BotoCoreError, ClientError, OSError) as error:
        sys.exit(f"plan: {error}")
    write(plan, url, artifact.ROOT / "build")
    print(json.dumps(plan.as_dict(), indent=1) if options.json else plan.summary)
    if plan.blocked:
        sys.exit(BLOCKED)


def _say(text: str) -> None:
    # Not on stdout, which with --json belongs to a program.
    print(f"plan: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
