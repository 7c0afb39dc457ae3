"""Source: the pushed commit of the bare repository that stands in for the Git host.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html
"""

import os
import subprocess

from local.actions import ActionFailed, Job, Outcome, Revision
from local.roles import require


def run(job: Job) -> Outcome:
    """Store the commit's files as the output artifact; variables as on AWS."""
    job.only("ConnectionArn", "FullRepositoryId", "BranchName", "OutputArtifactFormat", "DetectChanges")
    if job.configuration.get("OutputArtifactFormat", "CODE_ZIP") != "CODE_ZIP":
        raise ActionFailed("OutputArtifactFormat: only CODE_ZIP is run locally")
    connection = job.setting("ConnectionArn")
    require(job.cloud, job.role, f"{connection.split(':')[2]}:UseConnection", connection)
    revision = job.revision
    archive = job.folder / "source.zip"
    git(revision, "archive", "--format=zip", f"--output={archive}", revision.commit)
    (output,) = job.outputs
    job.store(output, archive)
    date, message = git(
        revision, "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%ad%n%B", revision.commit
    ).split("\n", 1)
    return Outcome(
        external_id=revision.commit,
        message=f"{revision.branch} {revision.commit[:12]}",
        variables={
            "AuthorDate": date,
            "BranchName": revision.branch,
            "CommitId": revision.commit,
            "CommitMessage": message.rstrip("\n"),
            "ConnectionArn": connection,
            "FullRepositoryName": job.setting("FullRepositoryId"),
        },
    )


def git(revision: Revision, *arguments: str) -> str:
    """Run git in the revision's repository, whatever repository a hook's environment names."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(revision.repository), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**environment, "TZ": "UTC"},
    )
    if done.returncode:
        raise ActionFailed(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
