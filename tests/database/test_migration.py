"""The migration on a real server: what is made, what is added, what is refused, and what the user may do."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sluice import database
from sluice.database import Connection, DatabaseError
from sluice.load.migration import MigrationError
from support.loading import load, loaded_dataset
from support.mariadb import connected

FIELDS = {
    "id": "{name: id, type: integer, constraints: {required: true}}",
    "email": "{name: email, type: string, constraints: {maxLength: 40}}",
    "since": "{name: since, type: date}",
    "unique email": "{name: email, type: string, constraints: {maxLength: 40, unique: true}}",
}


def people(*fields: str, key: str = "primaryKey: id", mode: str = "insert-ignore"):
    listed = ", ".join(FIELDS.get(field, field) for field in fields)
    return loaded_dataset(mode, f"schema: {{{key}, fields: [{listed}]}}")


def columns(schema) -> list[tuple]:
    return schema.rows(
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'people' ORDER BY ORDINAL_POSITION"
    )


def test_the_table_is_made_once(schema):
    made = schema.migrate(people("id", "email"))

    assert len(made) == 1 and made[0].startswith("CREATE TABLE `people`")
    assert schema.migrate(people("id", "email")) == []
    assert columns(schema) == [
        ("id", "bigint(20)", "NO"),
        ("email", "varchar(40)", "YES"),
        ("sluice_upload", "int(10) unsigned", "NO"),
        ("sluice_row", "int(10) unsigned", "NO"),
    ]
    assert {name for (name,) in schema.rows("SHOW TABLES")} == {"people", "sluice_loads"}


TYPES = ["string", "integer", "number", "boolean", "date", "time", "datetime", "year", "yearmonth", "any"]


@pytest.mark.parametrize("mode", ["insert-ignore", "upsert"])
def test_a_table_of_every_type_is_what_was_asked_for(schema, mode):
    fields = [f"{{name: '{type_} %s ` ü', type: {type_}}}" for type_ in TYPES]

    assert len(schema.migrate(people("id", *fields, mode=mode))) == 1

    assert schema.migrate(people("id", *fields, mode=mode)) == []


def test_a_new_column_is_added_where_it_may_be_empty(schema):
    schema.migrate(people("id", "email"))
    load(schema.tables(), people("id", "email"), b"id,email\n1,a@x\n")

    assert schema.migrate(people("id", "email", "since")) == ["ALTER TABLE `people` ADD COLUMN `since` DATE NULL"]

    load(schema.tables(), people("id", "email", "since"), b"id,email,since\n2,b@x,2026-01-01\n", "b")
    assert schema.rows("SELECT id, since IS NULL FROM people ORDER BY id") == [(1, 1), (2, 0)]
    # The release before it can return.
    assert schema.migrate(people("id", "email")) == []
    assert load(schema.tables(), people("id", "email"), b"id,email\n3,c@x\n", "c").loaded.inserted == 1


def test_two_datasets_may_share_a_table(schema):
    assert len(schema.migrate(people("id", "email"), people("id", "email"))) == 1
    assert len(schema.migrate(people("id", "email", "since"), people("id", "email", "since"))) == 1
    assert schema.migrate(people("id", "email"), people("id", "email", "since")) == []


def test_two_datasets_that_want_different_tables_of_one_name_get_none(schema):
    with pytest.raises(MigrationError, match="table people: column email is"):
        schema.migrate(people("id", "email"), people("id", "{name: email, type: integer}"))

    assert schema.rows("SHOW TABLES LIKE 'people'") == []


REFUSED = {
    "another type": people("id", "{name: email, type: integer}"),
    "narrower": people("id", "{name: email, type: string, constraints: {maxLength: 30}}"),
    "wider": people("id", "{name: email, type: string, constraints: {maxLength: 50}}"),
    "not null": people("id", "{name: email, type: string, constraints: {maxLength: 40, required: true}}"),
    "a new column that is required": people("id", "email", "{name: n, type: integer, constraints: {required: true}}"),
    "another key": people("id", "email", key="primaryKey: email"),
    "no key": people("id", "unique email", key="missingValues: ['']"),
    "one more key": people("id", "unique email"),
    "another mode": people("id", "email", mode="upsert"),
    "a column less that is required": people("email", key="primaryKey: email"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_lose_rows_or_refuse_them_is_refused(schema, name):
    schema.migrate(people("id", "email"))
    before = columns(schema)
    other = loaded_dataset("append", "schema: {fields: [{name: n, type: integer}]}", table="another")

    with pytest.raises(MigrationError, match="^dataset dataset, table people: "):
        schema.migrate(other, REFUSED[name])

    assert columns(schema) == before
    # Not the others either.
    assert schema.rows("SHOW TABLES LIKE 'another'") == []


def test_the_user_may_do_its_work_and_nothing_else(schema):
    schema.migrate(people("id", "email"))
    user = Connection(schema.account)

    assert load(schema.tables(), people("id", "email"), b"id,email\n1,a@x\n").loaded.inserted == 1
    for sql in (
        "SELECT * FROM mysql.user",
        "CREATE TABLE another (n INT)",
        "DROP TABLE people",
        "ALTER TABLE people ADD COLUMN n INT",
        "CREATE DATABASE another",
        "CREATE USER another",
        "GRANT SELECT ON *.* TO CURRENT_USER",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT 1 INTO OUTFILE 'rows'",
    ):
        if "LOAD_FILE" in sql:
            assert user.fetch(sql) == ((None,),)
            continue
        with pytest.raises(DatabaseError, match="error (1044|1045|1142|1227|1410)"):
            user.execute(sql)
    [(tls,)] = schema.rows("SELECT ssl_type FROM mysql.user WHERE User = %s", schema.account["username"])
    assert tls == b"ANY" or tls == "ANY"


def test_a_schema_of_a_like_name_is_not_the_users(schema):
    schema.migrate()
    like = schema.account["dbname"].replace("_", "x", 1)
    with connected(schema.server) as cursor:
        cursor.execute(f"CREATE DATABASE {like}")
        cursor.execute(f"CREATE TABLE {like}.t (n INT)")

    with pytest.raises(DatabaseError, match="1142"):
        Connection(schema.account).fetch(f"SELECT * FROM {like}.t")


def test_a_secret_that_was_made_anew_gets_its_password_back(schema):
    schema.migrate()
    schema.account["password"] = "another"

    schema.migrate()

    Connection(schema.account).close()


def test_migrations_at_once_are_one_after_another(schema):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: schema.migrate(people("id", "email")), range(4)))

    assert sorted(map(len, made)) == [0, 0, 0, 1]


class Responses:
    """Where a custom resource sends its responses."""

    def __init__(self) -> None:
        self.received: list[dict] = []
        self.failures = 0
        responses = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if responses.failures:
                    responses.failures -= 1
                    self.send_error(503)
                    return
                responses.received.append(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/response?signed"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Context:
    function_name = function_version = aws_request_id = "migrate"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:migrate"


@pytest.fixture
def release(schema, monkeypatch):
    """Runs the handler for a release with these datasets; its one response."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    from sluice.handlers import migrate

    responses = Responses()
    monkeypatch.setattr(migrate, "secrets", schema.secrets)
    monkeypatch.setenv("DATABASE_SECRET", "application")
    monkeypatch.setenv("MASTER_SECRET", "master")

    def run(*datasets, type_: str = "Update", failures: int = 0) -> dict:
        responses.failures = failures
        responses.received.clear()
        monkeypatch.setattr(migrate, "Catalogue", lambda folder, processors: datasets)
        ids = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Migration"}
        migrate.handler(ids | {"RequestType": type_, "ResponseURL": responses.url}, Context())
        [response] = responses.received
        assert response.items() >= ids.items()
        return response

    yield run
    responses.stop()


def test_a_release_that_migrates_goes_on(schema, release):
    assert release(people("id", "email"), type_="Create")["Status"] == "SUCCESS"
    response = release(people("id", "email", "since"), failures=1)

    assert (response["Status"], response["Reason"]) == ("SUCCESS", "")
    assert len(columns(schema)) == 5
    assert release(people("id"), type_="Delete")["PhysicalResourceId"] == response["PhysicalResourceId"]
    assert len(columns(schema)) == 5


def test_a_release_that_is_refused_says_why(schema, release):
    release(people("id", "email"), type_="Create")

    response = release(REFUSED["narrower"])

    assert response["Status"] == "FAILED"
    assert "table people: column email is varchar(40)" in response["Reason"]


def test_whatever_fails_is_answered_and_tells_no_secret(schema, release, monkeypatch, capsys):
    monkeypatch.setattr(database, "_PATIENCE", 0)
    schema.master["password"] = "private"
    schema.secrets.put_secret_value("master", json.dumps(schema.master), "v2", ["AWSCURRENT"])
    schema.secrets._versions["master"].pop("first")
    denied = release(people("id"))
    monkeypatch.setenv("MASTER_SECRET", "none")
    monkeypatch.setattr(schema.secrets, "_versions", {"application": schema.secrets._versions["application"]})
    other = release(people("id"))

    assert (denied["Status"], other["Status"]) == ("FAILED", "FAILED")
    assert "error 1045" in denied["Reason"]
    assert other["Reason"] == "KeyError: see the log of the migrate function"
    assert "private" not in json.dumps(denied) + capsys.readouterr().out
