"""Programs that tests and the demo need and that no Python package brings: which are missing, and how they come.

`python -m local.programs` installs those of the tests where it can.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

# Debian keeps servers where only root looks.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


@dataclass(frozen=True)
class Programs:
    """Some programs that belong together: what they are, their names, Debian's packages, and Homebrew's."""

    title: str
    names: tuple[str, ...]
    packages: tuple[str, ...]
    brew: str

    def missing(self) -> str | None:
        """Which program is not there, and the line that installs it; None where all are."""
        for name in self.names:
            if not shutil.which(name, path=_PATH):
                debian = f"sudo apt-get install -y {' '.join(self.packages)}"
                hint = debian if shutil.which("apt-get") else f"brew install {self.brew}"
                return f"{name} is missing, {self.title}. Run: {hint}"
        return None

    def install(self) -> None:
        """Installs them with apt-get where one is missing and that is possible: as root, on Debian and its like."""
        if self.missing() and os.geteuid() == 0 and shutil.which("apt-get"):
            print(f"installing {' and '.join(self.packages)}, for the tests and the demo", file=sys.stderr, flush=True)
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            for command in (["update"], ["install", "-y", "--no-install-recommends", *self.packages]):
                done = subprocess.run(
                    ["apt-get", *command], env=environment, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    print(done.stdout + done.stderr, file=sys.stderr)


def path_of(name: str) -> str:
    """Where a program is; its name where it is not there."""
    return shutil.which(name, path=_PATH) or name


# The programs alone: the package mariadb-server also sets a server up for the whole machine. The client's have
# my_print_defaults, without which no server can be made.
MARIADB = Programs(
    "MariaDB's server",
    ("mariadbd", "mariadb-install-db", "my_print_defaults"),
    ("mariadb-server-core", "mariadb-client-core"),
    "mariadb",
)
CHROMIUM = Programs("a browser", ("chromium",), ("chromium",), "--cask chromium")

if __name__ == "__main__":
    for programs in (MARIADB, CHROMIUM):
        programs.install()
