"""Is there anything in the repository that belongs to somebody's machine, to a vendor, or to nobody but its owner?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Each is written so that it does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile(
        r"(?<![\w.])/(?:home|Users)/[a-z]\w*/|(?<![\w.])/(?:work/(?:main|shared)|root/\w)"
    ),
    "the address of a package registry": re.compile(
        r"(?i)(?:files\.)?python[h]osted\.org|pypi[.]org|registry\.npm[j]s|npm\.pkg[.]github|--(?:extra-)?index[-]url|registry\s*=\s*http"
    ),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE[ ]KEY-----"),
    "a conflict that was not resolved": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}
_VENDOR_FILES = re.compile(
    r"^(?:\.github|\.gitlab-ci\.yml|\.gitlab|\.circleci|\.travis\.yml|azure-pipelines\.yml|Jenkinsfile|\.drone\.yml|\.buildkite|"
    r"bitbucket-pipelines\.yml|\.tekton)(?:/|$)"
)
_LARGEST = 1024 * 1024


def _texts(files: tuple[Path, ...]) -> dict[Path, str]:
    texts = {}
    for path in files:
        data = path.read_bytes()
        if b"\0" not in data:
            texts[path] = data.decode("utf-8", "replace")
    return texts


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str, root: Path, tracked_files: tuple[Path, ...]):
    found = [
        f"{path.relative_to(root)}: {match.group()}"
        for path, text in _texts(tracked_files).items()
        for match in FORBIDDEN[what].finditer(text)
    ]
    assert found == []


def test_no_file_belongs_to_one_ci_vendor(root: Path, tracked_files: tuple[Path, ...]):
    names = [path.relative_to(root).as_posix() for path in tracked_files]
    assert [name for name in names if _VENDOR_FILES.match(name)] == []


def test_no_file_is_large(root: Path, tracked_files: tuple[Path, ...]):
    assert [str(path.relative_to(root)) for path in tracked_files if path.stat().st_size > _LARGEST] == []


def test_every_text_ends_with_a_line_end(root: Path, tracked_files: tuple[Path, ...]):
    texts = _texts(tracked_files)
    assert [str(path.relative_to(root)) for path, text in texts.items() if text and not text.endswith("\n")] == []
