"""POST /api/v1/samples: what is asked for, and the key that it is written to."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sluice.api.body import Body
from sluice.api.problems import Problem
from sluice.contract.descriptor import Dataset
from sluice.datasets import Catalogue
from sluice.samples.domains import SampleError
from sluice.samples.files import MOST_ROWS, Sample, make_sample, make_text

_ROWS = 100
# What JavaScript, too, can tell from the next number (https://www.rfc-editor.org/rfc/rfc8259#section-6).
SEEDS = 2**53
# Folder of samples that belong to no dataset; no dataset has such a name.
_TEXTS = "_text"


@dataclass(frozen=True)
class NewSample:
    """A sample that is asked for: rows of a dataset, or a text where there is none."""

    dataset: Dataset | None
    rows: int
    seed: int

    @classmethod
    def read(cls, body: Body, catalogue: Catalogue, chance: int) -> "NewSample":
        """The sample that a body asks for, `chance` being its seed where it names none.

        Raises Problem: 400 that names each member at fault, 404 where there is no such dataset.
        """
        name = read_dataset(body)
        rows = body.number("rows", 1, MOST_ROWS)
        seed = body.number("seed", 0, SEEDS - 1)
        if rows is not None and name is None:
            body.refuse("rows", "are those of a dataset: name one in dataset")
        body.check()
        dataset = None if name is None else find_dataset(name, catalogue)
        return cls(dataset, rows or _ROWS, chance if seed is None else seed)

    def make(self, has_time: Callable[[], bool]) -> Sample:
        """The sample; raises Problem (400) where it cannot be made as it is asked for."""
        if self.dataset is None:
            return make_text(self.seed)
        try:
            return make_sample(self.dataset, self.rows, self.seed, has_time)
        except SampleError as error:
            detail = "There can be no such sample: errors says why."
            raise Problem(400, detail, [(error.parameter, str(error))]) from error

    def key(self, prefix: str, now: datetime, chance: int, suffix: str) -> str:
        """A key that nothing else has: of a time in UTC, and of 64 bits by chance."""
        folder = self.dataset.name if self.dataset else _TEXTS
        return f"{prefix}/{folder}/{now:%Y%m%dT%H%M%SZ}-{chance:016x}.{suffix}"


def read_dataset(body: Body) -> str | None:
    """The name of a dataset, as a body has it."""
    return body.text("dataset", re.compile(".{1,100}", re.DOTALL), "must be the name of a dataset")


def find_dataset(name: str, catalogue: Catalogue) -> Dataset:
    """The dataset of that name; raises Problem (404) where there is none."""
    try:
        return catalogue[name]
    except KeyError:
        names = ", ".join(dataset.name for dataset in catalogue)
        reason = f"must be one of {names}"
        raise Problem(404, "There is no such dataset: errors says which there are.", [("dataset", reason)]) from None
