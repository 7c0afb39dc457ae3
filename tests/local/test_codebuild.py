"""The local CodeBuild, held to AWS's buildspec reference."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.artifacts import ArtifactError, glob, pack, unpack
from local.codebuild import BuildResult, run_build

BASE = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Builder:
    """Runs builds in one folder; `lines` is the log, `printed` what the commands wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []

    def __call__(self, buildspec: str, **arguments: object) -> BuildResult:
        self.lines = []
        environment = arguments.pop("environment", BASE)
        return run_build(self.folder, textwrap.dedent(buildspec), environment, log=self.lines.append, **arguments)

    @property
    def printed(self) -> list[str]:
        running = [line for line in self.lines if not line.startswith("[Container]")]
        return [line for line in running if line]


@pytest.fixture
def build(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def spec(phases: dict[str, list[str]], extra: str = "") -> str:
    """A buildspec of phases with their commands."""
    text = "version: 0.2\nphases:\n"
    for name, commands in phases.items():
        text += f"  {name}:\n    commands:\n" + "".join(f"      - {command}\n" for command in commands)
    return text + textwrap.dedent(extra)


def statuses(result: BuildResult) -> dict[str, str]:
    return {phase.name: phase.status for phase in result.phases}


OK, BAD = "SUCCEEDED", "FAILED"


# --- phases -----------------------------------------------------------------------------------


def test_phases_run_in_their_order_whatever_the_file_s(build: Builder) -> None:
    result = build(spec({name: [f"echo {name}"] for name in ("post_build", "build", "install", "pre_build")}))
    assert build.printed == ["install", "pre_build", "build", "post_build"]
    assert result.status == OK
    assert statuses(result) == dict.fromkeys(("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS"), OK)


@pytest.mark.parametrize(
    ("failing", "on_failure", "ran"),
    [
        ("install", None, ["install"]),
        ("pre_build", None, ["install", "pre_build"]),
        ("build", None, ["install", "pre_build", "build", "post_build"]),
        ("post_build", None, ["install", "pre_build", "build", "post_build"]),
        ("install", "CONTINUE", ["install", "pre_build", "build", "post_build"]),
        ("build", "CONTINUE", ["install", "pre_build", "build", "post_build"]),
        ("build", "ABORT", ["install", "pre_build", "build"]),
        ("pre_build", "ABORT", ["install", "pre_build"]),
    ],
)
def test_what_runs_after_a_failing_phase(build: Builder, failing: str, on_failure: str | None, ran: list[str]) -> None:
    text = "version: 0.2\nphases:\n"
    for name in ("install", "pre_build", "build", "post_build"):
        text += f"  {name}:\n"
        if name == failing and on_failure:
            text += f"    on-failure: {on_failure}\n"
        text += f"    commands:\n      - echo {name}\n"
        if name == failing:
            text += "      - 'false'\n      - echo never\n"
        text += f"    finally:\n      - echo finally {name}\n"
    result = build(text)
    assert build.printed == [line for name in ran for line in (name, f"finally {name}")]
    assert result.status == BAD
    assert statuses(result)[failing.upper()] == BAD
    uploads = failing in ("build", "post_build") and on_failure != "ABORT" or on_failure == "CONTINUE"
    assert ("UPLOAD_ARTIFACTS" in statuses(result)) == uploads


def test_message_and_log_name_the_failing_command(build: Builder) -> None:
    result = build(spec({"build": ["exit 7"]}))
    assert result.message == "BUILD: Error while executing command: exit 7. Reason: exit status 7"
    assert "[Container] Command did not exit successfully exit 7 exit status 7" in build.lines
    assert "[Container] Phase complete: BUILD State: FAILED" in build.lines


def test_a_failing_finally_fails_its_phase(build: Builder) -> None:
    result = build("""
        version: 0.2
        phases:
          build:
            commands: [echo build]
            finally: ['false', echo never]
        """)
    assert statuses(result)["BUILD"] == BAD
    assert build.printed == ["build"]


@pytest.mark.parametrize(
    ("phase", "expected"), [("build", ["build 1", "finally 0", "post 0"]), (None, ["build 1", "finally 1", "post 1"])]
)
def test_build_succeeding_is_known_to_the_commands(build: Builder, phase: str | None, expected: list[str]) -> None:
    build(f"""
        version: 0.2
        phases:
          build:
            commands:
              - echo build $CODEBUILD_BUILD_SUCCEEDING
              - {"'false'" if phase else "'true'"}
            finally: [echo finally $CODEBUILD_BUILD_SUCCEEDING]
          post_build:
            commands: [echo post $CODEBUILD_BUILD_SUCCEEDING]
        """)
    assert build.printed == expected


# --- one shell --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["/bin/sh", "bash"])
def test_variables_functions_and_directory_carry_on(build: Builder, shell: str) -> None:
    result = build(f"""
        version: 0.2
        env: {{shell: {shell}}}
        phases:
          install:
            commands:
              - export EXPORTED=one
              - PLAIN=two
              - "greet() {{ echo hello $1; }}"
              - mkdir below; cd below
          build:
            commands:
              - greet "$EXPORTED $PLAIN"
              - pwd
        """)
    assert result.status == OK
    assert build.printed == ["hello one two", str(build.folder / "below")]


@pytest.mark.parametrize("ending", ["exit 0", "exit 3", "set -e; false", "exec true", "kill -9 $$", "if"])
def test_a_command_that_ends_the_shell_ends_only_itself(build: Builder, ending: str) -> None:
    result = build(f"""
        version: 0.2
        phases:
          build:
            commands:
              - mkdir below; cd below; export KEPT=yes
              - '{ending}'
            finally: ['echo $KEPT; pwd']
        """)
    assert build.printed[-2:] == ["yes", str(build.folder / "below")]
    assert (result.status == OK) == (ending in ("exit 0", "exec true"))


def test_what_a_command_exports_before_it_exits_is_kept(build: Builder) -> None:
    build(spec({"build": ["export LATE=yes; exit 0", "echo $LATE"]}))
    assert build.printed == ["yes"]


def test_bash_is_bash_and_sh_is_not(build: Builder) -> None:
    command = "- 'a=(x y); echo \"${a[1]}\"'"
    phases = f"phases:\n  build:\n    commands:\n      {command}\n"
    assert build(f"version: 0.2\nenv: {{shell: bash}}\n{phases}").status == OK
    assert build.printed == ["y"]
    if os.path.realpath("/bin/sh").endswith("dash"):
        assert build(f"version: 0.2\n{phases}").status == BAD


def test_multi_line_commands_and_quoting(build: Builder) -> None:
    result = build(r"""
        version: 0.2
        phases:
          build:
            commands:
              - |
                for name in "a b" c; do
                  echo "<$name>"
                done
              - echo 'single $HOME' "double \"x\"" \# not a comment
              - "echo key: value"
              - >
                echo folded
                line
              - cat <<'END'
            finally:
              - printf 'no newline'
        """)
    assert result.status == OK
    assert build.printed == [
        "<a b>",
        "<c>",
        'single $HOME double "x" # not a comment',
        "key: value",
        "folded line",
        "no newline",
    ]


def test_commands_have_no_input_and_one_stream_of_output(build: Builder) -> None:
    build(
        spec(
            {
                "build": ["cat", "echo out; echo err >&2; echo out", "exec >redirected; echo hidden"],
                "post_build": ["echo also hidden"],
            }
        )
    )
    assert build.printed == ["out", "err", "out"]
    assert (build.folder / "redirected").read_text() == "hidden\nalso hidden\n"


def test_output_comes_while_the_command_runs(build: Builder) -> None:
    seen: list[float] = []
    run_build(
        build.folder,
        spec({"build": ["echo first; sleep 0.4; echo second"]}),
        BASE,
        log=lambda line: seen.append(time.monotonic()) if line in ("first", "second") else None,
    )
    assert seen[1] - seen[0] > 0.3


def test_output_that_is_not_utf_8_does_not_break_the_build(build: Builder) -> None:
    assert build(spec({"build": [r"printf '\377\n'"]})).status == OK
    assert build.printed == ["\N{REPLACEMENT CHARACTER}"]


def test_nothing_that_was_started_is_left_running(build: Builder) -> None:
    build(spec({"build": ["sleep 60 & echo $!", "sleep 61 & echo $!; exit 1"]}))
    assert len(build.printed) == 2
    for pid in build.printed:
        assert not _alive(int(pid))


def test_ctrl_c_ends_the_build_and_its_processes(build: Builder) -> None:
    text = spec({"build": ["sleep 60 & echo $! >pid; wait"]})
    script = (
        f"from pathlib import Path; from local.codebuild import run_build; "
        f"run_build(Path({str(build.folder)!r}), {text!r}, {BASE!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    started = time.monotonic()
    pid = build.folder / "pid"
    while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < started + 10:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert not _alive(int(pid.read_text()))


def test_the_project_s_timeout_ends_the_build(build: Builder) -> None:
    result = build(spec({"build": ["sleep 60"], "post_build": ["echo never"]}), timeout=0.3)
    assert result.status == statuses(result)["BUILD"] == "TIMED_OUT"
    assert build.printed == []


def _alive(pid: int) -> bool:
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.02)
    return True


# --- environment ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("project", "override", "expected"),
    [([], [], "buildspec"), (["project"], [], "project"), (["project"], ["start"], "start"), ([], ["start"], "start")],
)
def test_precedence_of_variables(build: Builder, project: list[str], override: list[str], expected: str) -> None:
    build(
        "version: 0.2\nenv: {variables: {WHO: buildspec}}\nphases: {build: {commands: [echo $WHO]}}",
        project_variables=[{"name": "WHO", "value": value, "type": "PLAINTEXT"} for value in project],
        overrides=[{"name": "WHO", "value": value} for value in override],
    )
    assert build.printed == [expected]


def test_values_are_the_text_that_was_written(build: Builder) -> None:
    build("""
        version: 0.2
        env:
          variables: {NUMBER: 1.10, FLAG: yes, OCTAL: 007, EMPTY: "", REFERENCE: "$PATH:/x"}
        phases:
          build:
            commands: ['echo "$NUMBER|$FLAG|$OCTAL|$EMPTY|$REFERENCE"']
        """)
    assert build.printed == ["1.10|yes|007||$PATH:/x"]


def test_the_caller_s_environment_does_not_leak_in(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "seen")
    build(spec({"build": ["env"]}), environment={**BASE, "GIVEN": "1"})
    names = {line.partition("=")[0] for line in build.printed}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "PATH",
        "GIVEN",
        "CODEBUILD_SRC_DIR",
        "CODEBUILD_START_TIME",
        "CODEBUILD_BUILD_SUCCEEDING",
    }
    assert f"CODEBUILD_SRC_DIR={build.folder}" in build.printed


def test_exported_variables_have_their_last_value(build: Builder) -> None:
    result = build("""
        version: 0.2
        env:
          variables: {FIXED: from the start}
          exported-variables: [DIGEST, LATE, FIXED, MISSING, UNEXPORTED]
        phases:
          build:
            commands: [export DIGEST=1, UNEXPORTED=1, 'false']
          post_build:
            commands:
              - export DIGEST="2 words"
              - |
                export LATE="two
                lines"
        """)
    assert result.exported == {"DIGEST": "2 words", "LATE": "two\nlines", "FIXED": "from the start"}
    assert any("MISSING is not set" in line for line in build.lines)
    assert any("UNEXPORTED is not set" in line for line in build.lines)


def test_parameters_and_secrets_are_read_and_hidden(build: Builder) -> None:
    asked = []

    def get_secret_value(**request: str) -> dict:
        asked.append(request)
        return {"SecretString": '{"user": "ann"}'}

    clients = {
        "ssm": SimpleNamespace(
            get_parameters=lambda **request: {
                "Parameters": [{"Value": f"value of {name}"} for name in request["Names"] if name != "/none"]
            }
        ),
        "secretsmanager": SimpleNamespace(get_secret_value=get_secret_value),
    }
    result = build(
        """
        version: 0.2
        env:
          parameter-store: {PARAMETER: /a/b}
          secrets-manager: {USER: "db:user", WHOLE: "arn:aws:secretsmanager:r:1:secret:db:::v1"}
        phases:
          build:
            commands: ['echo "$PARAMETER $USER"', 'printf %s "$WHOLE $TYPED" >whole']
        """,
        client=clients.get,
        project_variables=[{"name": "TYPED", "value": "/t", "type": "PARAMETER_STORE"}],
    )
    assert result.status == OK, build.lines
    assert (build.folder / "whole").read_text() == '{"user": "ann"} value of /t'
    assert build.printed == ["*** ***"]
    assert asked == [{"SecretId": "db"}, {"SecretId": "arn:aws:secretsmanager:r:1:secret:db", "VersionId": "v1"}]

    result = build("version: 0.2\nenv: {parameter-store: {A: /none}}\nphases: {}", client=clients.get)
    assert result.status == BAD and "the variable A cannot be read from PARAMETER_STORE /none" in result.message


def test_credentials_do_not_show_in_the_log(build: Builder) -> None:
    build(spec({"build": ["echo key $AWS_SECRET_ACCESS_KEY"]}), environment={**BASE, "AWS_SECRET_ACCESS_KEY": "s3cr3t"})
    assert build.printed == ["key ***"]


# --- artifacts --------------------------------------------------------------------------------

FILES = ("a.txt", "b.log", ".hidden", "out/one.txt", "out/deep/two.txt", "out/deep/.dot", "out2/three.txt")


@pytest.mark.parametrize(
    ("artifacts", "expected"),
    [
        ("files: [a.txt]", ["a.txt"]),
        ("files: [./a.txt, '*.log']", ["a.txt", "b.log"]),
        ("files: ['*']", [".hidden", "a.txt", "b.log"]),
        ("files: ['**/*']", sorted(FILES)),
        ("files: ['out/*']", ["out/one.txt"]),
        ("files: ['out/**/*']", ["out/deep/.dot", "out/deep/two.txt", "out/one.txt"]),
        ("files: ['**/*.txt']", ["a.txt", "out/deep/two.txt", "out/one.txt", "out2/three.txt"]),
        ("files: ['**/*'], base-directory: out", ["deep/.dot", "deep/two.txt", "one.txt"]),
        ("files: ['**/*'], base-directory: 'out*'", ["deep/.dot", "deep/two.txt", "one.txt", "three.txt"]),
        ("files: ['**/*.txt'], discard-paths: yes", ["a.txt", "one.txt", "three.txt", "two.txt"]),
        ("files: ['**/*'], exclude-paths: 'out/**/*'", [".hidden", "a.txt", "b.log", "out2/three.txt"]),
        (
            "files: ['**/*'], exclude-paths: ['**/.*', out2/three.txt], name: ignored-$(date)",
            ["a.txt", "b.log", "out/deep/two.txt", "out/one.txt"],
        ),
        ("files: [a.txt, missing.txt]", ["a.txt"]),
        ("files: ['[ab].*']", ["a.txt", "b.log"]),
    ],
)
def test_artifact_patterns(build: Builder, artifacts: str, expected: list[str]) -> None:
    _write(build.folder)
    result = build(f"version: 0.2\nphases: {{}}\nartifacts: {{{artifacts}}}")
    assert result.status == OK, build.lines
    assert [name for _, name in result.artifacts] == expected
    assert all(path.read_text() == f"{path.relative_to(build.folder)}" for path, _ in result.artifacts)


@pytest.mark.parametrize(
    ("artifacts", "message"),
    [
        ("files: [missing.txt]", "no matching artifact paths found"),
        ("files: [out]", "no matching artifact paths found"),
        ("files: [a.txt], base-directory: nowhere", "no matching artifact paths found"),
        ("files: ['../a.txt']", "not within the source directory"),
        ("files: [/etc/passwd]", "not within the source directory"),
        ("files: ['{a,b}.txt']", "not supported locally"),
        ("files: ['**/*'], base-directory: 'same*', discard-paths: yes", "two files would be x.txt"),
    ],
)
def test_artifacts_that_cannot_be_made_fail_the_build(build: Builder, artifacts: str, message: str) -> None:
    _write(build.folder, "same/x.txt", "same/y/x.txt")
    result = build(f"version: 0.2\nphases: {{}}\nartifacts: {{{artifacts}}}")
    assert result.status == statuses(result)["UPLOAD_ARTIFACTS"] == BAD
    assert message in result.message


def test_secondary_artifacts(build: Builder) -> None:
    _write(build.folder)
    result = build("""
        version: 0.2
        phases: {}
        artifacts:
          files: [a.txt]
          secondary-artifacts:
            Logs: {files: ['*.log']}
        """)
    assert [name for _, name in result.artifacts] == ["a.txt"]
    assert [name for _, name in result.secondary_artifacts["Logs"]] == ["b.log"]


def test_unzipped_files_have_no_executable_bit(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    pack([(tmp_path / "run", "bin/run")], tmp_path / "one.zip")
    assert zipfile.ZipFile(tmp_path / "one.zip").namelist() == ["bin/run"]
    unpack(tmp_path / "one.zip", tmp_path / "out")
    assert not (tmp_path / "out" / "bin" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("main", "main", "mainx"),
        ("release/*", "release/1", "release/1/2"),
        ("**", "a/b/c", None),
        ("a?c", "abc", "a/c"),
        ("a.c", "a.c", "abc"),
        ("[!a]", "b", "a"),
    ],
)
def test_glob(pattern: str, matching: str, other: str | None) -> None:
    assert glob(pattern).fullmatch(matching)
    assert other is None or not glob(pattern).fullmatch(other)


def test_glob_refuses_alternatives() -> None:
    with pytest.raises(ArtifactError):
        glob("{a,b}")


def _write(folder: Path, *more: str) -> None:
    for name in (*FILES, *more):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


# --- what is refused --------------------------------------------------------------------------


def test_a_wrong_buildspec_fails_the_build_before_its_phases(build: Builder) -> None:
    result = build("version: 0.2\nphase: {}")
    assert (result.status, statuses(result)) == (BAD, {"DOWNLOAD_SOURCE": BAD})
    assert "unknown key 'phase'" in result.message


def test_the_buildspec_may_be_a_file_of_the_source(build: Builder) -> None:
    (build.folder / "ci").mkdir()
    (build.folder / "ci" / "spec.yml").write_text(spec({"build": ["echo here"]}))
    assert run_build(build.folder, Path("ci/spec.yml"), BASE, log=build.lines.append).status == OK
    assert build.printed == ["here"]
    missing = run_build(build.folder, Path("none.yml"), BASE, log=build.lines.append)
    assert "none.yml does not exist" in missing.message


def test_what_is_accepted_but_not_done_is_said(build: Builder) -> None:
    result = build("""
        version: 0.2
        phases:
          install:
            runtime-versions: {python: 3.13}
        reports:
          unit: {files: ['*.xml'], file-format: JUNITXML}
        cache: {paths: ['/var/cache/**/*']}
        """)
    assert result.status == OK
    log = "\n".join(build.lines)
    assert "python 3.13 is asked for; this machine's Python" in log
    assert "the report group unit is checked but not collected locally" in log
    assert "cache: nothing is kept" in log
