"""What is deployed with HEAD for once, datasets and settings: a commit on top of it in a private copy."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

import yaml

from local.deployment import ENVIRONMENT, DeploymentError
from sluice.contract.descriptor import Dataset, DescriptorError, load_dataset
from sluice.contract.key_templates import overlap
from sluice.processors import NEEDS

_FOLDER = Path("lambda", "datasets")
_ENVIRONMENT = Path("environments", f"{ENVIRONMENT}.json")
# A commit must not depend on how whoever runs it has set up git.
_SETTINGS = ("user.name=Sluice", "user.email=demo@example.org", "commit.gpgsign=false", "core.hooksPath=/dev/null")


class Additions:
    """A context manager: `checkout` is what to push, `root` itself where there is nothing to add.

    Entering raises DescriptorError for a descriptor that cannot be honoured or clashes with another one, and for a
    folder without descriptors. `settings` are parameters of the root template, in the place of staging's. `root` is
    only read.
    """

    def __init__(self, root: Path, folder: Path | None, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self.checkout = root
        self.datasets: list[Dataset] = []
        self._root = root
        self._folder = folder
        self._settings = settings
        self._private: tempfile.TemporaryDirectory | None = None

    def __enter__(self) -> "Additions":
        added = sorted(self._folder.glob("*.yaml")) if self._folder else []
        if self._folder and not added:
            raise DescriptorError(f"{self._folder}: holds no descriptor, no *.yaml")
        self.datasets = [load_dataset(path, NEEDS) for path in added]
        if added or self._settings:
            self._private = tempfile.TemporaryDirectory(prefix="sluice-datasets-")
            try:
                self.checkout = Path(self._private.name, "checkout")
                self._commit(added)
            except BaseException:
                self._private.cleanup()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._private:
            self._private.cleanup()

    def _commit(self, added: list[Path]) -> None:
        # Shared: the objects of the repository are read where they are.
        _git("clone", "--quiet", "--shared", "--template=", str(self._root), str(self.checkout))
        known = [(path.relative_to(self.checkout), path) for path in sorted((self.checkout / _FOLDER).glob("*.yaml"))]
        claimed = [(shown, load_dataset(path, NEEDS).name, _key(path)) for shown, path in known]
        for path, dataset in zip(added, self.datasets, strict=True):
            for other, name, key in claimed:
                if name == dataset.name:
                    raise DescriptorError(f"{path}:{_line(path, 'name')}: {other} has the name {name} already")
                if overlap(key, _key(path)):
                    line = _line(path, "sluice:key")
                    raise DescriptorError(f"{path}:{line}: {other} claims keys of {_key(path)} too, with {key}")
            if (self.checkout / _FOLDER / path.name).exists():
                raise DescriptorError(f"{path}:1: there is a {_FOLDER / path.name} already: give it another file name")
            claimed.append((path, dataset.name, _key(path)))
        for path in added:
            (self.checkout / _FOLDER / path.name).write_bytes(path.read_bytes())
        if self._settings:
            environment = self.checkout / _ENVIRONMENT
            staging = json.loads(environment.read_text(encoding="utf-8"))
            staging["Parameters"].update(self._settings)
            environment.write_text(json.dumps(staging, indent=2) + "\n", encoding="utf-8")
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        _git("-C", str(self.checkout), *settings, "add", "--force", str(_FOLDER), str(_ENVIRONMENT))
        # Empty where HEAD has the settings already.
        message = "Added for this demo"
        _git("-C", str(self.checkout), *settings, "commit", "--quiet", "--allow-empty", "-m", message)


def _key(path: Path) -> str:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["sluice:key"]


def _line(path: Path, key: str) -> int:
    """The line of a key at the top of a valid descriptor."""
    nodes = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader).value
    return next(name.start_mark.line + 1 for name, _ in nodes if name.value == key)


def _git(*arguments: str) -> None:
    # Where a hook has started the demo, its environment names the index that a commit would change.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise DeploymentError(f"HEAD could not be added to: {done.stderr.strip()}")
