"""Build: a CodeBuild project's buildspec, run on the input artifact with the project's role.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
The local cloud records each StartBuild but builds nothing, so its own build record always says
SUCCEEDED; how the build went is in the pipeline's execution.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from local import artifacts
from local.actions import ActionFailed, Job, Outcome
from local.codebuild import BuildResult, run_build
from local.roles import assume_as

# What a local build does differently: made for this machine instead of for Lambda's, ...
OVERRIDES = ({"name": "ARTIFACT_TARGET", "value": "local", "type": "PLAINTEXT"},)
# ... in the environment that is already there, as in an image that has it (scripts/python reads it).
ENVIRONMENT = {"SLUICE_VENV": sys.prefix}
# How this machine reaches its package index; a container of CodeBuild's has its own network.
_NETWORK = re.compile(
    r"(PIP|UV)_\w+|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.IGNORECASE
)


def run(job: Job) -> Outcome:
    """Run the build; the variables are those that the buildspec exports."""
    job.only("ProjectName", "PrimarySource", "EnvironmentVariables")
    project = _project(job)
    overrides = [*_variables(job.configuration.get("EnvironmentVariables", "[]")), *OVERRIDES]
    primary = _primary(job)
    started = job.client("codebuild").start_build(projectName=project["name"], environmentVariablesOverride=overrides)[
        "build"
    ]
    credentials = assume_as(
        job.cloud,
        "codebuild.amazonaws.com",
        project["arn"],
        project["serviceRole"],
        f"AWSCodeBuild-{started['id'].rpartition(':')[2]}",
    )

    sources = {name: job.fetch(name, credentials) for name in job.inputs}
    temporary = job.folder / "tmp"
    temporary.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)},
        "HOME": str(Path.home()),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TMPDIR": str(temporary),
        **ENVIRONMENT,
        **job.cloud.environment(credentials),
        **_described(job, started, project),
        **{f"CODEBUILD_SRC_DIR_{name}": str(folder) for name, folder in sources.items() if name != primary},
    }
    job.log(f"[Container] this machine builds, not {project['environment']['image']}")
    result = run_build(
        sources[primary],
        _buildspec(project),
        environment,
        project["environment"].get("environmentVariables", []),
        overrides,
        job.log,
        client=lambda service: job.cloud.client(service, credentials),
        timeout=60.0 * project.get("timeoutInMinutes", 60),
    )
    if result.status != "SUCCEEDED":
        raise ActionFailed(f"the build {started['id']} {result.status}: {result.message}")
    for name, files in _outputs(job, result).items():
        archive = job.folder / f"output-{name}.zip"
        artifacts.pack(files, archive)
        job.store(name, archive, credentials)
    return Outcome(result.exported, started["id"])


def _project(job: Job) -> dict[str, Any]:
    name = job.setting("ProjectName")
    found = job.cloud.client("codebuild").batch_get_projects(names=[name])["projects"]
    if not found:
        raise ActionFailed(f"there is no CodeBuild project {name}")
    for part in ("source", "artifacts"):
        if found[0][part]["type"] != "CODEPIPELINE":
            raise ActionFailed(f"the project {name} must have the {part} type CODEPIPELINE to be run by a pipeline")
    return found[0]


def _variables(text: str) -> list[dict[str, str]]:
    try:
        variables = json.loads(text)
        return [
            {"name": item["name"], "value": item["value"], "type": item.get("type", "PLAINTEXT")} for item in variables
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ActionFailed(
            f"Configuration.EnvironmentVariables is no JSON list of name, value, type: {error!r}"
        ) from None


def _primary(job: Job) -> str:
    if len(job.inputs) == 1:
        return job.configuration.get("PrimarySource", job.inputs[0])
    return job.setting("PrimarySource")


def _described(job: Job, started: dict[str, Any], project: dict[str, Any]) -> dict[str, str]:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html, as far as
    it applies to a build that a pipeline starts; CODEBUILD_KMS_KEY_ID is left out: no key is used.
    """
    where = job.artifacts[_primary(job)]
    return {
        "CODEBUILD_BUILD_ARN": started["arn"],
        "CODEBUILD_BUILD_ID": started["id"],
        "CODEBUILD_BUILD_IMAGE": project["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(started["buildNumber"]),
        "CODEBUILD_INITIATOR": f"codepipeline/{job.pipeline}",
        "CODEBUILD_LOG_PATH": started["id"].rpartition(":")[2],
        "CODEBUILD_RESOLVED_SOURCE_VERSION": job.revision.commit,
        "CODEBUILD_SOURCE_VERSION": f"arn:aws:s3:::{where['bucket']}/{where['key']}",
    }


def _buildspec(project: dict[str, Any]) -> str | Path:
    """The project's own text, or the path of a file in the source."""
    spec = project["source"].get("buildspec") or "buildspec.yml"
    if spec.startswith("arn:"):
        raise ActionFailed(f"the project's buildspec {spec} is not in the source: not supported locally")
    return spec if "\n" in spec else Path(spec)


def _outputs(job: Job, result: BuildResult) -> dict[str, list[tuple[Path, str]]]:
    """One output takes the buildspec's artifacts; of several, each takes the secondary one of its name."""
    made = {job.outputs[0]: result.artifacts} if len(job.outputs) == 1 else result.secondary_artifacts
    missing = [name for name in job.outputs if not made.get(name)]
    if missing:
        raise ActionFailed(f"the buildspec makes no artifact for the output {missing[0]}")
    return {name: made[name] for name in job.outputs}
