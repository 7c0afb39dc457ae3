"""What people see: no key does anything to their terminal."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import output


@given(st.text())
def test_what_is_printed_has_visible_characters_and_spaces_only(text):
    assert output.printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("prices/東京/été.csv", "prices/東京/été.csv"), ("\x1b[31mred\n", "\\x1b[31mred\\n"), ("a\u202eb", "a\\u202eb")],
)
def test_what_is_not_visible_is_an_escape(text, shown):
    assert output.printable(text) == shown


def test_a_table_is_neither_cut_nor_marked_up(capsys):
    long = "x" * 500
    output.print_table(("key", "n"), [(f"[bold]{long}", 1), ("\x1b[2J:smile:", None)])

    assert capsys.readouterr().out.splitlines() == [
        f"key{' ' * 505}n",
        f"[bold]{long}  1",
        f"\\x1b[2J:smile:{' ' * 494}-",
    ]


def test_a_table_on_a_terminal_fits_into_it(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "40")
    output.print_table(("key",), [("x" * 100,)])

    assert max(map(len, screen.getvalue().splitlines())) <= 60
    assert screen.getvalue().count("x") == 100
