"""The catalogue: every dataset this deployment knows, and which of them a key belongs to."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sluice.contract.descriptor import Dataset, DescriptorError, Needs, load_dataset
from sluice.errors import PermanentError
from sluice.upload import IGNORED


class Catalogue:
    """The datasets described by the `*.yaml` files of a folder.

    Raises DescriptorError for a descriptor that cannot be honoured, or a name or a table used twice.
    """

    def __init__(self, folder: Path, processors: Mapping[str, Needs]) -> None:
        self._datasets: dict[str, Dataset] = {}
        for path in sorted(folder.glob("*.yaml")):
            dataset = load_dataset(path, processors)
            if dataset.name in self._datasets:
                raise DescriptorError(f"{path}:1: another descriptor has the name {dataset.name} already")
            table = dataset.target and dataset.target.table
            if table and table in [other.target.table for other in self if other.target]:
                raise DescriptorError(f"{path}:1: another descriptor loads into the table {table} already")
            self._datasets[dataset.name] = dataset

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self._datasets.values())

    def __getitem__(self, name: str) -> Dataset:
        """The dataset of that name; raises KeyError where there is none."""
        return self._datasets[name]

    def match(self, key: str) -> Dataset:
        """The dataset a key belongs to; raises PermanentError (`IGNORED`) where there is none, or no single one."""
        found = [dataset for dataset in self._datasets.values() if dataset.key.fullmatch(key)]
        if not found:
            raise PermanentError(IGNORED, f"no dataset has keys like this: {', '.join(self._datasets)} do not match")
        if len(found) > 1:
            names = " and ".join(dataset.name for dataset in found)
            raise PermanentError(IGNORED, f"datasets {names} both match this key: make their key patterns exclusive")
        return found[0]

    def name_of(self, key: str) -> str | None:
        """The name of that dataset; None where there is none, or no single one."""
        try:
            return self.match(key).name
        except PermanentError:
            return None
