"""The server of these tests."""

from support.mariadb import server

__all__ = ["server"]
