"""What a change does to the resources and to the pipeline is part of the change, where a reviewer sees it.

    scripts/test tests/templates/test_golden.py --update-golden

writes tests/templates/golden/ anew: the difference that git shows then is the change.
"""

import pytest

from templates.golden import FOLDER, difference, golden


def test_golden_files_are_as_the_tree_gives_them(pytestconfig: pytest.Config) -> None:
    found = golden()
    if pytestconfig.getoption("--update-golden"):
        for name, text in found.items():
            (FOLDER / name).write_text(text)
    differences = [difference(name, text) for name, text in found.items()]
    assert not any(differences), "\n".join(
        ["if this is meant: scripts/test tests/templates/test_golden.py --update-golden", *filter(None, differences)]
    )
    assert {path.name for path in FOLDER.iterdir()} == set(found)
