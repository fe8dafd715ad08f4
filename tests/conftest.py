"""What tests share: a cache of their own, the command line in this process, and one small trained and judged model."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TINY = ("digits", "--size", "xs", "--steps", "20", "batch=32", "steps=1", "solver=euler", "guidance=1")
"""A training of some seconds: twenty steps of the smallest net, validated on samples of one solver step."""


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be JSON and nothing else."""
        return json.loads(self.out)


Runner = Callable[..., Ended]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for this session: nothing is read from or written to the user's own."""
    before = os.environ.get("MORELIKE_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MORELIKE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["MORELIKE_CACHE"]
    else:
        os.environ["MORELIKE_CACHE"] = before


@pytest.fixture(scope="session")
def morelike_cli() -> Runner:
    """Runs `morelike WORDS...` in this process."""
    from morelike.cli import main

    def run(*words: object) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def trained(cache: Path, morelike_cli: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small diffusion model of `digits`, trained by the `TINY` command and judged. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("trained") / "digits"
    ended = morelike_cli("train", *TINY, "--out", folder)
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture
def own_model(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that a test may break."""
    import shutil

    return Path(shutil.copytree(trained, tmp_path / "model"))
