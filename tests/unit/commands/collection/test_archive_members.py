"""The types that the readers of archives share."""

from __future__ import annotations

import dataclasses

import pytest

from shoepair.commands.collection.archive_members import Member


def test_member_cannot_be_changed_after_it_was_checked() -> None:
    member = Member("train/a.png", False, "", iter(()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        member.name = "../a.png"  # type: ignore[misc]
