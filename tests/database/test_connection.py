"""The way to the database: secrets that change, servers that go away or lie, certificates that do not hold."""

import contextlib
import os
import socket
import ssl
import threading
import time
from datetime import UTC, datetime

import pytest

from local import mariadb
from sluice import database, tracing
from sluice.database import Connection, Database, DatabaseError
from sluice.rotation import Rotation
from sluice.upload import Loaded
from support.loading import load, loaded_dataset
from support.mariadb import connected

PEOPLE = b"id,email\n1,a@x\n2,b@x\n"


@pytest.fixture
def dataset(schema):
    made = loaded_dataset("insert-ignore")
    schema.migrate(made)
    return made


def rotate(schema, steps=("createSecret", "setSecret", "testSecret", "finishSecret")) -> str:
    token = schema.secrets.start_rotation("application")
    for step in steps:
        Rotation(schema.secrets, "application", "master", token).step(step)
    return token


def test_a_session_is_strict_in_utc_and_reads_what_is_committed(schema, dataset):
    connection = Connection(schema.account)

    [(mode, zone, isolation, commits, ssl_version)] = connection.fetch(
        "SELECT @@sql_mode, @@time_zone, @@tx_isolation, @@autocommit, VARIABLE_VALUE "
        "FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_version'"
    )

    assert "STRICT_ALL_TABLES" in mode
    # What comes with a statement compares as the tables' texts do: MySQL would take the letters of versions for equal.
    assert connection.fetch("SELECT @@collation_connection") == (("utf8mb4_bin",),)
    assert (zone, isolation, commits, ssl_version) == ("+00:00", "READ-COMMITTED", 0, "TLSv1.3")


def test_the_trace_of_an_upload_goes_on_to_its_transaction(schema, dataset, monkeypatch):
    told = []
    monkeypatch.setattr(tracing, "_end", lambda document, fields: told.append(document | fields))
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-581cf771-a006649127e371903a2de979;Parent=70de5b6f19ff9a0a;Sampled=1")
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000")

    with tracing.subsegment("upload"):
        load(schema.tables(), dataset, PEOPLE)

    transaction, upload = told
    assert (transaction["name"], transaction["namespace"]) == ("Aurora", "remote")
    assert (transaction["parent_id"], transaction["trace_id"]) == (upload["id"], upload["trace_id"])


def test_the_secret_is_read_once_and_the_connection_used_again(schema, dataset):
    tables, reads = schema.tables(), schema.secrets.reads
    for key in "abc":
        load(tables, dataset, PEOPLE, key)

    assert schema.secrets.reads == reads + 1
    [(connections,)] = schema.rows(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = %s", schema.account["username"]
    )
    assert connections == 1


def test_a_rotation_between_loads_and_in_one_goes_unnoticed(schema, dataset):
    tables = schema.tables()
    writer = tables.create(*upload("running"), dataset, position())
    writer.write(b"".join(b"%d,%d,x@x\n" % (number + 1, number) for number in range(1, 30_000)))

    rotate(schema)

    writer.write(b"30001,30000,z@x\n")
    assert writer.commit(30_000)[0] == Loaded(30_000, 0, 0)
    assert load(tables, dataset, PEOPLE).loaded == Loaded(0, 0, 2)
    # A new connection of an environment that knows the old password.
    old = schema.tables()
    load(old, dataset, PEOPLE, "b")
    rotate(schema)
    kill_all(schema)
    reads = schema.secrets.reads
    assert load(old, dataset, PEOPLE, "c").loaded == Loaded(0, 0, 2)
    assert schema.secrets.reads == reads + 1


def test_a_password_that_is_wrong_even_when_read_again_is_transient(schema, dataset):
    base = schema.database()
    base.connect()
    rotate(schema, ("createSecret", "setSecret"))
    kill_all(schema)

    with pytest.raises(DatabaseError, match="error 1045, Access denied"):
        base.connect()


def test_a_connection_that_was_killed_is_replaced(schema, dataset):
    tables = schema.tables()
    load(tables, dataset, PEOPLE, "a")
    kill_all(schema)

    assert load(tables, dataset, PEOPLE, "b").loaded == Loaded(0, 0, 2)


def test_a_connection_killed_in_mid_load_leaves_nothing(schema, dataset):
    tables = schema.tables()
    writer = tables.create(*upload("a"), dataset, position())
    writer.write(b"".join(b"%d,%d,x@x\n" % (number, number) for number in range(30_000)))
    kill_all(schema)

    with pytest.raises(DatabaseError) as raised:
        for _ in range(100):
            writer.write(b"2,1,a@x\n" * 20_000)
        writer.commit(30_000)
    writer.abort()

    assert raised.value.is_lost
    assert schema.rows("SELECT COUNT(*) FROM people") == [(0,)]
    assert load(tables, dataset, PEOPLE, "a").loaded == Loaded(2, 0, 0)


def test_a_load_outlives_a_long_stretch_without_valid_rows(schema, dataset, monkeypatch):
    """Of which the server hears nothing: by itself it would wait for half a minute, here for a second."""
    monkeypatch.setattr(database, "_SESSION", ("SET SESSION net_read_timeout = 1", *database._SESSION))
    writer = schema.tables().create(*upload("slow"), dataset, position())
    lines = b"".join(b"%d,%d,someone@example.org\n" % (number + 2, number) for number in range(4_000))
    writer.write(lines)
    time.sleep(3)
    writer.write(b"4002,4000,a@x\n")

    assert writer.commit(4_001)[0] == Loaded(4_001, 0, 0)


def test_a_server_that_was_restarted_is_found_again(schema, dataset):
    tables = schema.tables()
    load(tables, dataset, PEOPLE, "a")

    schema.server.restart()

    assert load(tables, dataset, PEOPLE, "b").loaded == Loaded(0, 0, 2)


def test_a_database_that_is_not_there_is_transient(schema, dataset):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = {**schema.account, "port": free.getsockname()[1]}

    with pytest.raises(DatabaseError, match="error 2003, Can't connect") as raised:
        Connection(nobody)

    assert raised.value.is_lost


def hang_up(connection: socket.socket) -> None:
    """As the way to a database that has paused, which takes a connection and lets it go."""
    connection.close()


def test_a_database_that_wakes_up_is_not_there_yet(schema):
    with listening("127.0.0.1", hang_up) as port, pytest.raises(DatabaseError) as raised:
        Connection({**schema.account, "port": port})

    assert raised.value.is_lost


def test_who_has_the_time_waits_for_it(schema, dataset, monkeypatch):
    monkeypatch.setattr(database, "_PAUSE", 0)
    with listening("127.0.0.1", hang_up) as port:
        asleep = {**schema.account, "port": port}
        accounts = iter([asleep, asleep, schema.account])
        database.patiently(lambda: Connection(next(accounts))).close()

    accounts = iter([{**schema.account, "password": "another"}])
    with pytest.raises(DatabaseError, match="1045"):
        database.patiently(lambda: Connection(next(accounts)))


def test_an_authority_that_is_not_trusted_is_refused(schema, dataset, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    database._trust.cache_clear()
    try:
        with pytest.raises(DatabaseError, match="certificate verify failed"):
            Connection(schema.account)
    finally:
        database._trust.cache_clear()


def test_a_certificate_for_another_name_is_refused(schema, dataset):
    # 127.0.0.2 reaches the server where it listens, and is not in its certificate.
    with forwarding(schema.server.port) as port, pytest.raises(DatabaseError, match="certificate verify failed"):
        Connection({**schema.account, "host": "127.0.0.2", "port": port})


def test_the_server_refuses_plain_text(schema, dataset):
    import pymysql

    account = {"host": schema.server.host, "port": schema.server.port, "user": schema.account["username"]}
    with pytest.raises(pymysql.OperationalError, match="Access denied|insecure transport"):
        pymysql.connect(**account, password=schema.account["password"], ssl_disabled=True)


def test_the_authorities_of_rds_are_valid():
    from cryptography import x509

    found = x509.load_pem_x509_certificates(database._AUTHORITIES.read_bytes())

    assert len(found) == 81
    now = datetime.now(UTC)
    assert all(one.not_valid_before_utc < now < one.not_valid_after_utc for one in found)
    assert all("Amazon RDS" in one.subject.rfc4514_string() for one in found)


def test_a_server_that_asks_for_a_file_gets_none(schema, dataset, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("nobody reads this")

    with lying_server(schema.server, str(secret)) as (port, received):
        with pytest.raises(DatabaseError):
            Connection({**schema.account, "port": port})

    assert any(b"SET SESSION" in data for data in received)
    assert not any(b"nobody reads this" in data for data in received)


def test_values_and_secrets_are_in_no_message(schema, dataset):
    connection = Connection(schema.account)
    connection.execute("INSERT INTO people VALUES (1, 'private@x', 7, 1)")

    for sql in ("INSERT INTO people VALUES (1, 'private@x', 7, 1)", "SELECT 'private@x'a b c", "SELEC 'private@x'"):
        with pytest.raises(DatabaseError) as raised:
            connection.execute(sql)
        assert "private" not in str(raised.value)
        # What a traceback would show.
        assert raised.value.__suppress_context__ and raised.value.__cause__ is None


def upload(key: str) -> tuple:
    from sluice.upload import Upload

    return (Upload("uploads", key, "v1", 1),)


def position():
    from sluice.upload import Position

    return Position("", datetime(2026, 1, 1, tzinfo=UTC))


def kill_all(schema) -> None:
    """Ends the connections of the schema's user."""
    with connected(schema.server) as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s", (schema.account["username"],))
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


@contextlib.contextmanager
def listening(host: str, serve):
    """A server that hands each connection to `serve`; gives its port."""
    with socket.create_server((host, 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=[connection], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def forwarding(port: int):
    """127.0.0.2, on a port that leads to that one of 127.0.0.1."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
        target.close()

    def serve(connection: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=[server, connection], daemon=True).start()
        pump(connection, server)

    with listening("127.0.0.2", serve) as port_:
        yield port_


@contextlib.contextmanager
def lying_server(server: mariadb.Server, path: str):
    """A server with a certificate that is trusted, which answers every statement by asking for a file."""
    received: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.authority.with_name("server.pem"), server.authority.with_name("server.key"))

    def packet(number: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "little") + bytes([number]) + payload

    def serve(connection: socket.socket) -> None:
        capabilities = 0xFFFFFFFF & ~(1 << 24)
        low, high = capabilities & 0xFFFF, capabilities >> 16
        greeting = b"\x0a8.0.0\0" + (1).to_bytes(4, "little") + b"A" * 8 + b"\0" + low.to_bytes(2, "little")
        greeting += b"\x2d\x02\0" + high.to_bytes(2, "little") + b"\x15" + bytes(10) + b"B" * 12 + b"\0"
        connection.sendall(packet(0, greeting + b"mysql_native_password\0"))
        connection.recv(36, socket.MSG_WAITALL)
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            received.append(secure.recv(65536))
            secure.sendall(packet(3, b"\0\0\0\x02\0\0\0"))
            while data := secure.recv(65536):
                received.append(data)
                # The driver's own ones, whose answers it takes for what they should be.
                is_first = b"SET NAMES" in data or b"AUTOCOMMIT" in data
                secure.sendall(packet(data[3] + 1, b"\0\0\0\x02\0\0\0" if is_first else b"\xfb" + path.encode()))

    with listening("127.0.0.1", serve) as port:
        yield port, received


def test_a_secret_is_read_when_it_is_needed(schema):
    Database(schema.secrets, "application")
    assert schema.secrets.reads == 0
