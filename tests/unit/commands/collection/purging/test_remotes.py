"""Remotes: what they have of a withdrawn student. Real servers are in system/test_withdrawal.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from dvc.exceptions import DvcException
from dvc_data.hashfile.db import get_odb
from dvc_objects.fs.local import LocalFileSystem
from support.settings import write

from shoepair.commands.collection.purging import remotes
from shoepair.commands.collection.purging.derivation import Origins
from shoepair.commands.collection.purging.remotes import Remote
from shoepair.runtime.errors import ShoepairError

PHOTO, LISTING, CODE, FOREIGN = "a" * 32, f"{'b' * 32}.dir", "c" * 32, "d" * 32
ORIGINS = Origins({PHOTO: "photo", LISTING: "listing", "e" * 32: "table"}, set(), {PHOTO, LISTING, CODE})
RUN = "cmd: x\ndeps:\n- path: a\n  md5: {}\nouts:\n- path: b\n  md5: {}\n"


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A remote in a folder, which another project uses too."""
    for digest in (PHOTO, LISTING, CODE, FOREIGN):
        write(tmp_path / "files/md5" / digest[:2] / digest[2:], '[{"md5": "1", "relpath": "x"}]')
    for name, digests in (("ours", (CODE, PHOTO)), ("foreign", (FOREIGN, PHOTO)), ("clean", (CODE, CODE))):
        write(tmp_path / "runs/ab/abc" / name, RUN.format(*digests))
    system = LocalFileSystem()  # type: ignore[no-untyped-call]
    objects, base = (get_odb(system, str(path)) for path in (tmp_path / "files/md5", tmp_path))  # type: ignore[no-untyped-call]
    return Remote("store", str(tmp_path), objects, base)


def test_what_is_theirs_is_found_and_deleted_and_nothing_else(remote: Remote, tmp_path: Path) -> None:
    remotes.find_objects(remote, ORIGINS)
    assert remote.found == {PHOTO: "photo", LISTING: "listing"}
    assert [Path(path).name for path in remote.found_runs] == ["ours"]
    remotes.delete_found(remote)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        [CODE[2:], FOREIGN[2:], "foreign", "clean"]
    )
    remotes.find_objects(remote, ORIGINS)
    assert (remote.found, remote.found_runs) == ({}, [])


def test_listings_are_deleted_last(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(remote.objects, "delete", deleted.append)
    remote.found = {LISTING: "listing", "f" * 32: "photo", PHOTO: "photo"}
    remotes.delete_found(remote)
    assert deleted == [PHOTO, "f" * 32, LISTING]


def test_listing_is_read_from_the_remote(remote: Remote) -> None:
    assert remotes.read_listing(remote, LISTING) == {"x": "1"}
    assert remotes.read_listing(remote, "0" * 32) is None


def test_remote_that_is_not_configured_or_fails_is_one_message(remote: Remote) -> None:
    cloud: Any = SimpleNamespace()
    repo: Any = SimpleNamespace(config={"remote": {"store": {}, "far": {}}}, cloud=cloud)
    with pytest.raises(ShoepairError, match=r"^remote 'x': not in DVC's configuration, which has far, store\n"):
        remotes.open_remotes(repo, ["x"])

    def fail(*_words: object, **_options: object) -> NoReturn:
        message = "cloud versioned\nremotes"
        raise DvcException(message)

    cloud.get_remote_odb = fail
    with pytest.raises(ShoepairError, match=r"^remote 'store': cloud versioned remotes\n"):
        remotes.open_remotes(repo, ["store"])

    def refuse(_path: str) -> NoReturn:
        raise PermissionError(13, "Permission denied", "there")

    remote.objects.fs.cat_file = refuse
    with pytest.raises(ShoepairError, match=r"^remote 'store': .*Permission denied") as error:
        remotes.read_listing(remote, LISTING)
    assert "it goes on where it stopped" in error.value.fix
