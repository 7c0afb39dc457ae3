"""The files that make up a build's output, found by CodeBuild's patterns, and zips of them.

Source: "artifacts" in https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

import os
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from local.buildspec import Artifact


class ArtifactError(ValueError):
    """No output can be made from the files there are."""


def glob(pattern: str) -> re.Pattern:
    """A pattern of CodeBuild or CodePipeline as a regular expression for whole paths.

    `*` and `?` stay within one path segment (and match a leading dot), `**` crosses segments,
    `[a-z]` is a set. Raises ArtifactError for `{a,b}`, which is not read here.
    """
    if "{" in pattern:
        raise ArtifactError(f"{pattern}: {{a,b}} patterns are not supported locally; list each pattern")
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "": ""}
    return re.compile(
        "".join(
            wild[part]
            if part in wild
            else part.replace("[!", "[^", 1)
            if part[0] == "[" and part[-1] == "]"
            else re.escape(part)
            for part in parts
        ),
        re.DOTALL,
    )


def collect(source: Path, artifact: Artifact, log: Callable[[str], None]) -> list[tuple[Path, str]]:
    """(file, name in the zip) of every file of the artifact, sorted by name.

    A pattern that finds nothing is logged and skipped; as on AWS, only finding nothing at all is
    an error (ArtifactError), and so are two files that end up with one name.
    """
    for pattern in (artifact.base_directory, *artifact.files):
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise ArtifactError(f"{pattern} is not within the source directory")
    found: dict[str, Path] = {}
    for base in _bases(source, artifact.base_directory):
        log(f"Expanding base directory path: {os.path.relpath(base, source)}")
        files = {path.relative_to(base).as_posix(): path for path in _files(base)}
        excluded = [glob(_plain(pattern)) for pattern in artifact.exclude_paths]
        for pattern in artifact.files:
            matches = [name for name in files if glob(_plain(pattern)).fullmatch(name)]
            log(
                f"Expanding {pattern}: {len(matches)} file(s)"
                if matches
                else f"Skipping invalid file path {pattern}: no such file"
            )
            for name in matches:
                if any(one.fullmatch(name) for one in excluded):
                    continue
                arcname = name.rsplit("/", 1)[-1] if artifact.discard_paths else name
                if found.setdefault(arcname, files[name]) != files[name]:
                    raise ArtifactError(f"two files would be {arcname} in the artifact")
    if not found:
        raise ArtifactError("no matching artifact paths found")
    return sorted(((path, name) for name, path in found.items()), key=lambda item: item[1])


def pack(files: Iterable[tuple[Path, str]], target: Path) -> None:
    """Write a zip of (file, name in the zip)."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path, name in files:
            archive.write(path, name)


def unpack(source: Path, folder: Path) -> None:
    """Extract a zip. Files lose their executable bit, as CodePipeline's source artifacts may:
    a buildspec must call `sh script`, or chmod first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as archive:
        archive.extractall(folder)


def _plain(pattern: str) -> str:
    return pattern.removeprefix("./")


def _bases(source: Path, pattern: str) -> list[Path]:
    """The directories that a base-directory pattern names."""
    plain = _plain(pattern).rstrip("/")
    if plain in ("", "."):
        return [source]
    regex = glob(plain)
    return [
        path
        for path in sorted(source.rglob("*"))
        if path.is_dir() and regex.fullmatch(path.relative_to(source).as_posix())
    ]


def _files(base: Path) -> list[Path]:
    return [
        Path(folder) / name
        for folder, _, names in os.walk(base)
        for name in sorted(names)
        if (Path(folder) / name).is_file()
    ]
