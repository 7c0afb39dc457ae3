"""A throw-away git checkout of this working tree, to push from and to break."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Checkout:
    """A copy of the working tree as one commit, in a repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for name in names.decode().rstrip("\0").split("\0"):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        self._git("init", "--quiet", "--initial-branch", "main")
        self.commit("the working tree")

    def shorten_build(self) -> None:
        """A folder of tests is enough to see that one that fails ends the build, and is done before processes of its
        own have started; lint and scan take longer than all the rest of a release. test_lint.py runs the one, and
        test_scan.py the other."""
        tests = "tests/unit/sluice tests/templates"
        self.replace("buildspec.yml", tests, "tests/unit/sluice/processors --numprocesses=0")
        self.replace("buildspec.yml", "sh scripts/lint", "echo sh scripts/lint")
        self.replace("buildspec.yml", "sh scripts/scan", "echo sh scripts/scan")

    def replace(self, name: str, old: str, new: str) -> None:
        """Edits a file: `old`, which must occur, becomes `new`."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def commit(self, message: str) -> str:
        """Commits everything, or nothing, and returns the commit's id."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def back_to(self, commit: str) -> None:
        """Restores the tree of an earlier commit as a new one."""
        self._git("rm", "-r", "--quiet", "--cached", ".")
        self._git("checkout", "--quiet", "--force", commit, "--", ".")
        self.commit(f"back to {commit[:7]}")

    def _git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
