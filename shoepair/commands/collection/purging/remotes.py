"""DVC remotes: which objects of withdrawn students they have, and their deletion, by DVC's own object databases.

Only objects that a recorded version of this project names are looked for: a remote may serve other projects.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dvc.config import ConfigError
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.db import get_index

from shoepair.commands import dvc_records
from shoepair.commands.collection.purging.derivation import Origins
from shoepair.commands.collection.purging.search import names_theirs
from shoepair.runtime import file_digests, progress
from shoepair.runtime.errors import ShoepairError


@dataclass
class Remote:
    """A remote, and what it has of withdrawn students: objects by digest, with their kind; run cache entries."""

    name: str
    address: str
    objects: Any  # DVC's object database
    base: Any  # another, of the remote's folder itself: it has the run cache
    found: dict[str, str] = field(default_factory=dict)
    found_runs: list[str] = field(default_factory=list)


def open_remotes(repo: Repo, names: Iterable[str]) -> list[Remote]:
    """Open DVC remotes by name.

    Raises:
        ShoepairError: there is no such remote, or it keeps files under their names, as cloud-versioned ones do.
    """
    known = repo.config["remote"]
    remotes = []
    for name in dict.fromkeys(names):
        if name not in known:
            message = f"remote {name!r}: not in DVC's configuration, which has {', '.join(sorted(known)) or 'none'}"
            raise ShoepairError(message, fix="`dvc remote list` shows them")
        with _translate_errors(name):
            objects = repo.cloud.get_remote_odb(name, "purge")
            base = repo.cloud.get_remote_odb(name, "purge", hash_name="md5-dos2unix")
        remotes.append(Remote(name, base.fs.unstrip_protocol(base.path), objects, base))
    return remotes


def read_listing(remote: Remote, digest: str) -> dict[str, str] | None:
    """Read a folder listing from a remote; None if the remote does not have it."""
    with _translate_errors(remote.name):
        try:
            return dvc_records.parse_listing(remote.objects.fs.cat_file(remote.objects.oid_to_path(digest)))
        except FileNotFoundError:
            return None


def find_objects(remote: Remote, origins: Origins) -> None:
    """Find what a remote has of the withdrawn students: files and run cache entries."""
    with _translate_errors(remote.name):
        digests = sorted(origins.theirs)
        present = remote.objects.list_oids_exists(digests) if digests else ()
        remote.found = {digest: origins.theirs[digest] for digest in present}
        system = remote.base.fs
        folder = system.join(remote.base.path, "runs")
        entries = sorted(system.find(folder)) if system.exists(folder) else []
        remote.found_runs = [path for path in entries if names_theirs(system.cat_file(path), origins, only_ours=True)]


def delete_found(remote: Remote) -> None:
    """Delete what was found; listings last, since a repeated command finds the photos by them."""
    ordered = sorted(remote.found, key=lambda digest: (digest.endswith(file_digests.DIRECTORY_SUFFIX), digest))
    with _translate_errors(remote.name):
        for path in remote.found_runs:
            remote.base.fs.remove(path)
        for digest in progress.track(ordered, "purge", "remote file"):
            remote.objects.delete(digest)
        get_index(remote.objects).clear()  # DVC's list of what the remote has


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Convert errors of DVC and of the remotes' file systems into a ShoepairError."""
    try:
        yield
    except (ConfigError, DvcException) as error:
        message = f"remote {name!r}: {_one_line(error)}"
        raise ShoepairError(message, fix="check it with `dvc remote list` and `dvc status --cloud`") from None
    except _file_system_errors() as error:
        message = f"remote {name!r}: {_one_line(error)}"
        fix = "check the address and your rights, then run the command again: it goes on where it stopped"
        raise ShoepairError(message, fix=fix) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _file_system_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of file systems; those of the libraries for S3 and SSH, if loaded, are no OSErrors."""
    names = (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError"), ("asyncssh", "Error"))
    return (OSError, *(getattr(sys.modules[module], name) for module, name in names if module in sys.modules))
