"""Posts the plan of a pull request as one comment, which the next plan replaces.

Needs nothing but Python and GitHub's `gh`, which is authorised by GH_TOKEN. PLAN is the text, PULL_REQUEST the number;
GITHUB_... are set by GitHub Actions.
"""

import json
import os
import subprocess
import sys

# Invisible, at the start of our comment; its author is checked too, because anybody may write this.
_MARK = "<!-- sluice: plan -->"
_AUTHOR = "github-actions[bot]"

# GitHub takes 65,536 characters: https://docs.github.com/en/rest/issues/comments
_LIMIT = 60_000


def post(repository: str, number: int, text: str) -> None:
    """Make `text` the plan's comment on a pull request, in place of an earlier one.

    Raises CalledProcessError when GitHub refuses; gh has then said why.
    """
    comments = f"repos/{repository}/issues/{number}/comments"
    pages = json.loads(_gh("--paginate", "--slurp", f"{comments}?per_page=100"))
    ours = [
        comment["id"]
        for page in pages
        for comment in page
        if comment["user"]["login"] == _AUTHOR and comment["body"].startswith(_MARK)
    ]
    method, path = ("PATCH", f"repos/{repository}/issues/comments/{ours[0]}") if ours else ("POST", comments)
    _gh("--method", method, path, "--input", "-", given=json.dumps({"body": f"{_MARK}\n{text}"}))


def body(plan: str, run_url: str) -> str:
    """The comment's text; `plan` is Markdown, empty where there is none."""
    if not plan:
        return f"### No plan\n\nThe change could not be planned: [the run]({run_url}) says why.\n"
    cut = "" if len(plan) <= _LIMIT else "\n\n**Cut here**, because a comment holds no more; the run has all of it.\n"
    return f"{plan[:_LIMIT]}{cut}\n[The run]({run_url})\n"


def _gh(*arguments: str, given: str | None = None) -> str:
    return subprocess.run(["gh", "api", *arguments], input=given, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    repository = os.environ["GITHUB_REPOSITORY"]
    run_url = f"{os.environ['GITHUB_SERVER_URL']}/{repository}/actions/runs/{os.environ['GITHUB_RUN_ID']}"
    try:
        post(repository, int(os.environ["PULL_REQUEST"]), body(os.environ["PLAN"], run_url))
    except subprocess.CalledProcessError as error:
        sys.exit(f"comment: gh failed with status {error.returncode}; its message is above")


if __name__ == "__main__":
    main()
