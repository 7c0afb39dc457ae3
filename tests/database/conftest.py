"""What the tests on a real server share."""

from support.mariadb import schema, server

__all__ = ["schema", "server"]
