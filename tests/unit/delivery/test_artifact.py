"""The Lambda artifact: what is in it, and that nothing but the tree and the target decides its bytes."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from delivery.artifact import ROOT, Artifact, ArtifactError, Target, build, named_target
from delivery.models import AWS_OPERATIONS

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = f"cp{VERSION.replace('.', '')}"
LOCAL = Target(VERSION, None, sys.executable)
HANDLER = """\
'Docstring.'
from demo import main

LIMIT = 1_000


def handler(event, context):
    return {'kind': main(), 'limit': LIMIT, 'known': 'x' in {'x', 'y', 'é'}}
"""
BUILD = """
import sys
from pathlib import Path
from delivery.artifact import build, named_target
print(build(named_target("local"), Path(sys.argv[1], "out"), Path(sys.argv[1], "lambda")).digest)
"""


def make_wheel(folder: Path, tag: str, files: dict[str, str]) -> str:
    """Write a wheel of the distribution `demo`; return its SHA-256."""
    info = "demo-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": "[console_scripts]\ndemo = demo:main\n",
    }
    records = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = folder / f"demo-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": records}).items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_tree(root: Path) -> Path:
    """A small lambda/ with one dependency; return its path."""
    wheels = root / "wheels"
    wheels.mkdir(parents=True)
    digest = make_wheel(wheels, "py3-none-any", {"demo/__init__.py": "def main():\n    return 'demo'\n"})
    folder = root / "lambda"
    for name, text in {
        "sluice/__init__.py": "",
        "sluice/handlers/process.py": HANDLER,
        "sluice/__pycache__/stale.cpython-311.pyc": "stale",
        "sluice/.hidden": "hidden",
        "datasets/prices.yaml": "name: prices\n",
        "requirements.txt": f"--no-index\n--find-links {wheels}\ndemo==1.0 --hash=sha256:{digest}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(artifact: Artifact) -> set[str]:
    with zipfile.ZipFile(artifact.path) as archive:
        return set(archive.namelist())


def run_unzipped(artifact: Artifact, folder: Path, code: str, **environment: str) -> str:
    """Output of a Python that sees nothing but the standard library and the artifact, unzipped in `folder`."""
    with zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    return python(folder, code, **environment)


def python(folder: Path, code: str, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-S", "-B", "-c", code], env={"PYTHONPATH": str(folder)} | environment, cwd=folder,
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_contents(tmp_path: Path):
    artifact = build(LOCAL, tmp_path / "out", make_tree(tmp_path))
    cached = f"__pycache__/{{}}.cpython-{VERSION.replace('.', '')}.pyc"
    assert names(artifact) == {
        "sluice/__init__.py",
        "sluice/" + cached.format("__init__"),
        "sluice/handlers/process.py",
        "sluice/handlers/" + cached.format("process"),
        "datasets/prices.yaml",
        "demo/__init__.py",
        "demo/" + cached.format("__init__"),
        "demo-1.0.dist-info/METADATA",
    }


def test_the_name_is_the_digest_of_the_bytes(tmp_path: Path):
    artifact = build(LOCAL, tmp_path / "out", make_tree(tmp_path))
    assert artifact.digest == hashlib.sha256(artifact.path.read_bytes()).hexdigest()
    assert artifact.path == tmp_path / "out" / f"{artifact.digest}.zip"


def test_entries_are_sorted_without_times_and_readable_by_lambdas_user(tmp_path: Path):
    folder = make_tree(tmp_path)
    (folder / "sluice" / "__init__.py").chmod(0o600)
    with zipfile.ZipFile(build(LOCAL, tmp_path / "out", folder).path) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        entries = {(oct(entry.external_attr >> 16), entry.date_time) for entry in archive.infolist()}
    assert entries == {("0o100644", (1980, 1, 1, 0, 0, 0))}


def test_only_the_tree_decides_the_bytes(tmp_path: Path):
    """Built in other folders by other processes, with another umask, time zone, locale, hash seed and file times."""
    digests = set()
    for number, (umask, environment) in enumerate(
        [
            (0o022, {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"}),
            (0o077, {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2", "PYTHONOPTIMIZE": "2"}),
            (0o002, {"TZ": "America/St_Johns", "LC_ALL": "POSIX", "UV_COMPILE_BYTECODE": "1"}),
        ]
    ):
        folder = make_tree(tmp_path / "a folder" / f"{'x' * 40 * number}")
        for path in folder.rglob("*"):
            os.utime(path, (number * 10**8,) * 2)
        run = subprocess.run(
            [sys.executable, "-c", BUILD, folder.parent],
            env=os.environ | {"PYTHONPATH": f"{ROOT}/scripts"} | environment,
            umask=umask, capture_output=True, text=True,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        digests.add(run.stdout)
    assert len(digests) == 1


def test_bytecode_does_not_depend_on_what_else_is_compiled(tmp_path: Path):
    folder = make_tree(tmp_path)
    before = build(LOCAL, tmp_path / "out", folder)
    # Compiled first. Names are interned, which shows in the usual bytecode of every later module with the same text.
    (folder / "sluice" / "__first.py").write_text("é = x = y = kind = limit = known = LIMIT = 1_000\n")
    after = build(LOCAL, tmp_path / "out", folder)
    with zipfile.ZipFile(before.path) as old, zipfile.ZipFile(after.path) as new:
        assert len(new.namelist()) == len(old.namelist()) + 2
        assert [name for name in old.namelist() if old.read(name) != new.read(name)] == []


@pytest.mark.parametrize("name", ["sluice/handlers/process.py", "datasets/prices.yaml"])
def test_a_changed_file_is_another_artifact(tmp_path: Path, name: str):
    folder = make_tree(tmp_path)
    before = build(LOCAL, tmp_path / "out", folder)
    (folder / name).write_text((folder / name).read_text() + "# changed\n")
    assert build(LOCAL, tmp_path / "out", folder).digest != before.digest


def test_it_runs_from_its_bytecode(tmp_path: Path):
    artifact = build(LOCAL, tmp_path / "out", make_tree(tmp_path))
    code = "from sluice.handlers import process; print(process.handler(0, 0), process.handler.__code__.co_filename)"
    unzipped = tmp_path / "unzipped"
    source = unzipped / "sluice" / "handlers" / "process.py"
    expected = f"{{'kind': 'demo', 'limit': 1000, 'known': True}} {source}"
    assert run_unzipped(artifact, unzipped, code) == expected
    source.write_text("raise SystemExit('the source was compiled')")
    assert python(unzipped, code) == expected


@pytest.mark.parametrize("architecture", ["aarch64", "x86_64"])
def test_dependencies_are_those_of_the_targets_platform(tmp_path: Path, architecture: str):
    folder = make_tree(tmp_path)
    wheels = tmp_path / "wheels"
    (wheels / "demo-1.0-py3-none-any.whl").unlink()
    hashes = "".join(
        " --hash=sha256:" + make_wheel(wheels, f"{TAG}-{TAG}-manylinux_2_28_{one}", {f"demo_{one}.so": one})
        for one in ("aarch64", "x86_64")
    )
    (folder / "requirements.txt").write_text(f"--no-index\n--find-links {wheels}\ndemo==1.0{hashes}\n")
    target = Target(VERSION, f"{architecture}-manylinux_2_28", sys.executable)
    found = {name for name in names(build(target, tmp_path / "out", folder)) if name.endswith(".so")}
    assert found == {f"demo_{architecture}.so"}


def test_a_dependency_that_is_not_as_locked_is_refused(tmp_path: Path):
    folder = make_tree(tmp_path)
    make_wheel(tmp_path / "wheels", "py3-none-any", {"demo/__init__.py": "evil = True\n"})
    with pytest.raises(ArtifactError, match=r"(?s)cannot install .*requirements\.txt:.*[Hh]ash"):
        build(LOCAL, tmp_path / "out", folder)


def test_nothing_is_installed_without_a_hash(tmp_path: Path):
    folder = make_tree(tmp_path)
    requirements = folder / "requirements.txt"
    requirements.write_text(requirements.read_text().split(" --hash")[0])
    with pytest.raises(ArtifactError, match="cannot install"):
        build(LOCAL, tmp_path / "out", folder)


def test_a_file_that_does_not_compile_is_named(tmp_path: Path):
    folder = make_tree(tmp_path)
    (folder / "sluice" / "broken.py").write_text("def broken(:\n")
    with pytest.raises(ArtifactError, match=r"(?s)cannot compile the artifact:.*sluice/broken\.py"):
        build(LOCAL, tmp_path / "out", folder)
    assert not (tmp_path / "out").exists()


FUNCTION = """\
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Description: !Sub any ${Thing}
      Runtime: %s
      Architectures: [%s]
  Version:
    Type: AWS::Lambda::Version
    Properties: {FunctionName: !Ref Function}
"""


@pytest.mark.parametrize(
    ("architecture", "platform"), [("arm64", "aarch64-manylinux_2_28"), ("x86_64", "x86_64-manylinux_2_28")]
)
def test_the_template_says_what_lambda_is(tmp_path: Path, architecture: str, platform: str):
    template = tmp_path / "lambda.yaml"
    template.write_text(FUNCTION % (f"python{VERSION}", architecture))
    assert named_target("lambda", template) == Target(VERSION, platform, sys.executable)


def test_another_python_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    template = tmp_path / "lambda.yaml"
    template.write_text(FUNCTION % ("python3.99", "arm64"))
    with pytest.raises(ArtifactError, match=r"run on Python 3\.99 and no python3\.99 works on the PATH.*install"):
        named_target("lambda", template)
    interpreter = tmp_path / "python3.99"
    interpreter.write_text("#!/bin/sh\necho 3.99\n")
    interpreter.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert named_target("lambda", template).interpreter == "python3.99"


@pytest.mark.parametrize(
    ("runtime", "architecture"), [("nodejs24.x", "arm64"), ("python3.13", "riscv"), ("!Ref Runtime", "arm64")]
)
def test_a_template_that_cannot_be_built_for_is_refused(tmp_path: Path, runtime: str, architecture: str):
    template = tmp_path / "lambda.yaml"
    template.write_text(FUNCTION % (runtime, architecture))
    with pytest.raises(ArtifactError, match="cannot build for Runtime"):
        named_target("lambda", template)


def test_there_are_two_targets():
    with pytest.raises(ArtifactError, match="unknown target aws: use local or lambda"):
        named_target("aws")


def test_functions_of_one_artifact_share_a_runtime(tmp_path: Path):
    template = tmp_path / "lambda.yaml"
    other = FUNCTION.partition("\n")[2].replace("Function:", "Other:") % ("python3.12", "arm64")
    template.write_text(FUNCTION % ("python3.13", "arm64") + other.replace("  Version:", "  Another:"))
    with pytest.raises(ArtifactError, match="must share one Runtime and Architectures"):
        named_target("lambda", template)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return build(named_target("local"), tmp_path_factory.mktemp("real"))


def test_the_real_artifact_makes_the_clients_it_needs(real: Artifact, tmp_path: Path):
    code = f"""
import json
from sluice.clients import make_client
for meta in [make_client(service).meta for service in {list(AWS_OPERATIONS)}]:
    print(json.dumps([meta.service_model.service_name, meta.endpoint_url, sorted(meta.method_to_api_mapping.values())]))
"""
    lines = run_unzipped(real, tmp_path, code, AWS_DEFAULT_REGION="eu-west-1").splitlines()
    assert [json.loads(line) for line in lines] == [
        [service, f"https://{service}.eu-west-1.amazonaws.com", sorted(operations)]
        for service, operations in AWS_OPERATIONS.items()
    ]


def test_the_real_artifact_describes_the_services_that_are_used_and_no_others(real: Artifact):
    code = "".join(path.read_text() for path in (ROOT / "lambda" / "sluice").rglob("*.py"))
    assert set(re.findall(r"""\bmake_(?:quick_)?client\(["']([\w-]+)["']\)""", code)) == set(AWS_OPERATIONS)
    assert {name.split("/")[2] for name in names(real) if re.match(r"botocore/data/.+/.+", name)} == set(AWS_OPERATIONS)


def test_the_real_artifact_is_small(real: Artifact):
    """Lambda unpacks it before a cold start: https://docs.aws.amazon.com/lambda/latest/dg/best-practices.html"""
    assert real.path.stat().st_size < 35_000_000


def test_the_real_handlers_load_from_the_artifact(real: Artifact, tmp_path: Path):
    sources = list((ROOT / "lambda" / "sluice" / "handlers").glob("[!_]*.py"))
    names = {name for source in sources for name in re.findall(r'environ\["(\w+)"\]', source.read_text())}
    settings = dict.fromkeys(names, "1") | {"AUTHORIZATION": "NONE"}
    code = "".join(f"import sluice.handlers.{source.stem} as it; print(it.__cached__)\n" for source in sources)
    output = run_unzipped(real, tmp_path, code, AWS_DEFAULT_REGION="eu-west-1", **settings)
    tag = f"cpython-{VERSION.replace('.', '')}"
    cache = tmp_path / "sluice" / "handlers" / "__pycache__"
    assert output.splitlines() == [str(cache / f"{source.stem}.{tag}.pyc") for source in sources]


def test_what_goes_to_lambda_is_made_for_its_processor_and_python(tmp_path: Path):
    # This Python's bytecode, so that no other has to be installed here; what is compiled to machine code is the point.
    target = Target("3.13", "aarch64-manylinux_2_28", sys.executable)
    artifact = build(target, tmp_path)

    with zipfile.ZipFile(artifact.path) as archive:
        libraries = {name: archive.read(name)[:20] for name in archive.namelist() if re.search(r"\.so(\.|$)", name)}
    assert any(name.startswith("re2/") for name in libraries)
    for name, head in libraries.items():
        assert head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") == 0xB7, f"{name} is not for arm64"
        assert "cpython-313-aarch64" in name or "cpython-3" not in name, f"{name} is not for Python 3.13"
