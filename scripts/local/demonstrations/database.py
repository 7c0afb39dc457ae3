"""The database: what has been loaded into it."""

from collections.abc import Callable

from local.cloud import Cloud
from local.demonstrations import Shown, table
from local.deployment import Deployment

SETTINGS = {"EnableDatabase": "true"}
_SHOWN = 20


def missing() -> str | None:
    """What MariaDB lacks after it has been installed where that can be done; None where nothing."""
    from local import mariadb

    mariadb.install()
    return mariadb.missing()


def show(cloud: Cloud, deployment: Deployment, say: Callable[[str], None]) -> Shown:
    """Shows the rows of its tables."""
    from local import tables

    found = tables.read(cloud.folder)
    shown = Shown({"tables": found})
    for name, rows in found.items():
        shown.say("", f"table {name}, {len(rows)} rows")
        if rows:
            cells = [["NULL" if value is None else str(value) for value in row.values()] for row in rows[:_SHOWN]]
            shown.say("", *table([list(rows[0]), *cells]))
    return shown
