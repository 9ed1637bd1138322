"""Colour spaces by their codes."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

from shoepair.data.naming import PhotoError
from shoepair.ingestion import color_spaces
from shoepair.ingestion.color_spaces import UnusableColorsError


@pytest.mark.parametrize("primaries", color_spaces.PRIMARIES)
@pytest.mark.parametrize("transfer", color_spaces.CURVES)
def test_every_known_pair_of_codes_has_a_profile_that_can_be_used(primaries: int, transfer: int) -> None:
    profile = color_spaces.profile_of_codes(primaries, transfer)
    if {primaries, transfer} <= {1, 2, 13} and primaries != 13 and transfer != 1:
        assert profile is None
        return
    assert profile is not None
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    assert ImageCms.getProfileDescription(opened).strip() == "named by the file"


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_by_name(transfer: int, name: str) -> None:
    with pytest.raises(PhotoError, match=rf"HDR colours \({name}\), expected a usual photo: switch HDR off"):
        color_spaces.profile_of_codes(9, transfer)


@pytest.mark.parametrize(("primaries", "transfer"), [(0, 13), (3, 13), (10, 13), (1, 0), (1, 9), (1, 255)])
def test_unknown_codes_are_unusable(primaries: int, transfer: int) -> None:
    with pytest.raises(UnusableColorsError):
        color_spaces.profile_of_codes(primaries, transfer)


@given(st.tuples(*[st.floats()] * 8), st.floats())
def test_any_primaries_are_a_profile_or_unusable(primaries: tuple[float, ...], gamma: float) -> None:
    with contextlib.suppress(UnusableColorsError):
        assert color_spaces.make_profile(primaries, color_spaces.Curve(gamma))[36:40] == b"acsp"  # type: ignore[arg-type]
