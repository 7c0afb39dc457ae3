"""A MariaDB server on this machine, which stands for Aurora MySQL: private, and gone with whoever started it.

    with start() as server:
        pymysql.connect(host=server.host, port=server.port, user=server.user, password=server.password, ...)

It listens on 127.0.0.1, on a free port, speaks TLS only, and keeps everything in one temporary folder. Its settings are
those of our parameter group (templates/database.yaml), and the rights of `user` those that RDS gives to a master user.
"""

import getpass
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from local import certificates
from local.programs import MARIADB, path_of

missing, install = MARIADB.missing, MARIADB.install
_START_SECONDS = 60
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.MasterAccounts.html, as far as MariaDB knows them;
# CONNECTION ADMIN stands for mysql.rds_kill.
_MASTER_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, "
    "CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, "
    "CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CONNECTION ADMIN"
)


class MariadbError(RuntimeError):
    """The server is not there or did not start; the message says what to do, or ends with the server's log."""


class Server:
    """A running server. Made by `start()`; also a context manager that stops it.

    `host` and `port` are where it listens, `user` and `password` are the master user's, and `authority` is the file
    with the certificate to trust, for SSL_CERT_FILE.
    """

    host = "127.0.0.1"
    user = "admin"

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_urlsafe(16)
        self.authority = folder / certificates.AUTHORITY
        self._folder = folder
        self._process: subprocess.Popen | None = None
        self._watch: subprocess.Popen | None = None
        with socket.socket() as free:
            free.bind((self.host, 0))
            self.port = free.getsockname()[1]

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """Ends the server as a failure of its machine would."""
        self._end()

    def restart(self, *options: str) -> None:
        """Kills the server and starts it on the same port and data, with these options (`--read-only`) as well."""
        self._end()
        self._run(*options)

    def stop(self) -> None:
        """Ends the server and removes its folder. Safe to call twice."""
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _create(self) -> None:
        certificates.write(self._folder, [self.host, "localhost"])
        command = [path_of("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal"]
        command += [f"--datadir={self._folder / 'data'}", f"--user={getpass.getuser()}", "--skip-test-db"]
        # A server removes what it takes for its own leftovers there, be they those of another one that is starting.
        created = subprocess.run(command + [f"--tmpdir={self._folder}"], capture_output=True, text=True, check=False)
        if created.returncode:
            raise MariadbError(f"mariadb-install-db failed:\n{created.stdout}{created.stderr}")
        (self._folder / "users.sql").write_text(
            f"ALTER USER root@localhost IDENTIFIED BY '{secrets.token_urlsafe(16)}';\n"
            f"CREATE USER IF NOT EXISTS {self.user} IDENTIFIED BY '{self.password}';\n"
            f"GRANT {_MASTER_RIGHTS} ON *.* TO {self.user} WITH GRANT OPTION;\n"
        )

    def _run(self, *options: str) -> None:
        folder = self._folder
        command = [path_of("mariadbd"), "--no-defaults", f"--user={getpass.getuser()}"]
        # The socket beside the data: relative, because its path may have no more than 107 characters.
        command += [f"--datadir={folder / 'data'}", "--socket=socket", f"--pid-file={folder / 'pid'}"]
        command += [f"--bind-address={self.host}", f"--port={self.port}", f"--init-file={folder / 'users.sql'}"]
        command += [f"--ssl-cert={folder / certificates.CERTIFICATE}", f"--ssl-key={folder / certificates.KEY}"]
        command += [f"--tmpdir={folder}", "--require-secure-transport=ON", "--local-infile=ON", "--skip-name-resolve"]
        command += ["--character-set-server=utf8mb4", *options]
        # Or what is measured is how a small memory is written to disk. Aurora's has no less.
        command += ["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        # Reads the end of its input when this process is gone, however it went.
        watch = 'read -r _ || { kill -KILL "$1"; sleep 0.1; rm -rf "$2"; }'
        arguments = [str(self._process.pid), str(folder)]
        self._watch = subprocess.Popen(
            ["sh", "-c", watch, "sh", *arguments], stdin=subprocess.PIPE, start_new_session=True
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise MariadbError(f"mariadbd did not start:\n{(folder / 'log').read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        """Whether the server has greeted a client."""
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as connection:
                return bool(connection.recv(1))
        except OSError:
            return False

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._watch:
            self._watch.communicate(b"\n")
        self._process = self._watch = None


def start() -> Server:
    """Starts a server of its own. Raises MariadbError where it is not installed or does not start."""
    if reason := missing():
        raise MariadbError(reason)
    server = Server(Path(tempfile.mkdtemp(prefix="sluice-mariadb-")))
    try:
        server._create()
        server._run()
    except BaseException:
        server.stop()
        raise
    return server
