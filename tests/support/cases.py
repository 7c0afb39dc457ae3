"""Cases of the fault suite: what is broken and how, what is promised, and the test that shows it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A row of docs/faults.md. `layer` is where the fault is put in: the nearest to the real one that this kind of
    machine allows. `only` names the example of a parametrised test that the row is about."""

    title: str
    injected: str
    layer: str
    promised: str
    only: str = ""


def case(title: str, *, injected: str, layer: str, promised: str, only: str = "") -> Callable:
    """Makes a test the one that shows this case; several times for one that shows several."""

    def mark(test: Callable) -> Callable:
        test.cases = [Case(title, injected, layer, promised, only), *getattr(test, "cases", [])]
        return test

    return mark
