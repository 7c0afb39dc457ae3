"""The keys of files that are uploaded: by the key templates of this tree's datasets and the paths of the files."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath

import yaml

from operations.exits import USAGE, CommandError
from sluice.contract.key_templates import key_pattern
from sluice.ledger_reader import NO_DATASET

DATASETS = Path(__file__).parents[2] / "lambda" / "datasets"


def key_template(descriptor: Path) -> str:
    """`sluice:key` of a descriptor as it was written: the dataset itself has only the expression made of it."""
    return _read(descriptor)["sluice:key"]


def key_templates() -> dict[str, str]:
    """The key templates of this tree's datasets by their names."""
    found = map(_read, sorted(DATASETS.glob("*.yaml")))
    return {descriptor["name"]: descriptor["sluice:key"] for descriptor in found}


def unknown(datasets: Iterable[str]) -> str:
    """What to tell somebody who names datasets that this tree does not have; empty where it has all of them.

    A deployment may be of another tree, so it is no error. Uploads of no dataset are those of `none`.
    """
    known = [*key_templates(), NO_DATASET]
    missing = [name for name in datasets if name not in known]
    return f"no dataset of this tree is called {', '.join(missing)}; these are: {', '.join(known)}" if missing else ""


def key_for(path: PurePath, dataset: str | None, templates: Mapping[str, str]) -> str:
    """The key that a file is uploaded under.

    With a dataset, its template is filled in from the end of the path: `LSE/ABC.csv` is `prices/LSE/ABC.csv`, and
    `staff.csv` is `people/staff.csv`. Without one, the path itself must end with a key of exactly one dataset. Raises
    CommandError where no key is found, with what to do.
    """
    if dataset is None:
        return _key_in(path, templates)
    if dataset not in templates:
        raise CommandError(f"there is no dataset {dataset} in this tree: {', '.join(templates)} are", USAGE)
    parts, filled = _parts(path), []
    for segment in reversed(templates[dataset].split("/")):
        is_fitting = bool(parts) and key_pattern(segment).fullmatch(parts[-1])
        if "{" in segment and not is_fitting:
            raise CommandError(
                f"{path}: keys of {dataset} are like {templates[dataset]}, and the path has nothing for {segment}: "
                f"put the file where its path ends like that, or give its --key",
                USAGE,
            )
        # What is fixed in a key need not be in the path.
        filled.append(parts.pop() if is_fitting else segment)
    return "/".join(reversed(filled))


def _key_in(path: PurePath, templates: Mapping[str, str]) -> str:
    parts = _parts(path)
    found = list(_ends(parts, templates))
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{name} ({template})" for name, template in templates.items())
    raise CommandError(f"{path}: which dataset is it of? Give --dataset, one of {known}, or the --key", USAGE)


def _ends(parts: list[str], templates: Mapping[str, str]) -> Iterator[str]:
    """The ends of a path that are keys."""
    for template in templates.values():
        end = "/".join(parts[-len(template.split("/")) :])
        if key_pattern(template).fullmatch(end):
            yield end


def _parts(path: PurePath) -> list[str]:
    return [part for part in path.parts if part not in (path.anchor, "..")]


def _read(descriptor: Path) -> dict:
    return yaml.safe_load(descriptor.read_text(encoding="utf-8"))
