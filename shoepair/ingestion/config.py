"""The parameters of `validate`, `normalize` and `split`; params.yaml says what each of them means."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shoepair.runtime.params import Section

SALT_BYTES = 64  # the longest key of the hash in `splits`


def _check_salt(salt: str) -> str:
    if len(salt.encode()) > SALT_BYTES:
        message = f"expected a text of {SALT_BYTES} bytes at most"
        raise ValueError(message)
    return salt


class Split(Section):
    """Who is in train and who in valid."""

    salt: Annotated[str, AfterValidator(_check_salt)] = Field(validation_alias="split.salt", min_length=1)
    valid: float = Field(validation_alias="split.valid", gt=0, lt=1)
    duplicate_bits: int = Field(validation_alias="split.duplicate_bits", ge=0, le=25)  # what `duplicates` can search


class Normalize(Section):
    """What every photo becomes."""

    edge: int = Field(validation_alias="normalize.edge", ge=16, le=1024, multiple_of=16)


class Validate(Section):
    """What happens to students whose photos break a rule, and which photos are flagged."""

    on_invalid: Literal["fail", "quarantine"] = Field(validation_alias="validate.on_invalid")
    max_quarantined: float = Field(validation_alias="validate.max_quarantined", ge=0, le=1)
    blurred: float = Field(validation_alias="validate.blurred", ge=0, le=1)
    dark: float = Field(validation_alias="validate.dark", ge=0, le=1)
    overexposed: float = Field(validation_alias="validate.overexposed", ge=0, le=1)
    low_contrast: float = Field(validation_alias="validate.low_contrast", ge=0, le=1)
    tiny: float = Field(validation_alias="validate.tiny", ge=0, allow_inf_nan=False)
