"""Parameters of the stages `validate`, `normalize` and `split`; params.yaml explains each of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shoepair.runtime.params import Section

MAX_SALT_BYTES = 64  # longest key of the hash in `splits`


def _check_salt(salt: str) -> str:
    if len(salt.encode()) > MAX_SALT_BYTES:
        message = f"expected at most {MAX_SALT_BYTES} bytes of text"
        raise ValueError(message)
    return salt


class SplitConfig(Section):
    """Parameters of stage split: how students are assigned to train and valid."""

    salt: Annotated[str, AfterValidator(_check_salt)] = Field(validation_alias="split.salt", min_length=1)
    valid: float = Field(validation_alias="split.valid", gt=0, lt=1)
    # The limit is hash_search.MAX_SEARCHABLE_DISTANCE.
    max_hash_distance: int = Field(validation_alias="split.max_hash_distance", ge=0, le=25)


class NormalizeConfig(Section):
    """Parameters of stage normalize: the size of stored photos."""

    edge: int = Field(validation_alias="normalize.edge", ge=16, le=1024, multiple_of=16)


class ValidateConfig(Section):
    """Parameters of stage validate: what to do on errors, and thresholds for quality flags."""

    on_invalid: Literal["fail", "quarantine"] = Field(validation_alias="validate.on_invalid")
    max_quarantined: float = Field(validation_alias="validate.max_quarantined", ge=0, le=1)
    blurred: float = Field(validation_alias="validate.blurred", ge=0, le=1)
    dark: float = Field(validation_alias="validate.dark", ge=0, le=1)
    overexposed: float = Field(validation_alias="validate.overexposed", ge=0, le=1)
    low_contrast: float = Field(validation_alias="validate.low_contrast", ge=0, le=1)
    min_size: float = Field(validation_alias="validate.min_size", ge=0, allow_inf_nan=False)
