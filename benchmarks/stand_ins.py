"""Stand-ins for packages that are not installed, so that models and training run with torch and NumPy alone.

`shoepair.training.loop` imports tables, files and parameters too: pandas, safetensors, pydantic and others, some of
them compiled. None of them computes anything in a training step, so a machine that is lent for minutes need not have
them.
`install` puts stand-ins in the place of those that are missing: their names can be imported, subclassed, called and
used as decorators, and do nothing. Those of pydantic hold values, without checking them. Installed packages are used
themselves; a test compares the bits of both.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGES = (
    *("filelock", "h5py", "pandas", "pandera", "pathspec", "pebble", "PIL", "psutil", "pyarrow", "pydantic"),
    *("ruamel", "safetensors", "typer"),
)


class _AnyClass(type):
    """A class that has every attribute and every subscript: another stand-in."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn

    def __getitem__(cls, _item: object) -> type[StandIn]:
        return StandIn


class StandIn(metaclass=_AnyClass):
    """A class, function, decorator or exception of a missing package."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        pass

    def __call__(self, *arguments: Any, **_options: object) -> Any:
        """Return the argument, as a decorator does; the stand-in itself without one."""
        return arguments[0] if arguments else self


class Values:
    """Stands in for `pydantic.BaseModel`: fields with default values."""

    def __init__(self, **values: Any) -> None:
        names = [name for base in reversed(type(self).__mro__) for name in inspect.get_annotations(base)]
        for name in names:
            setattr(self, name, values.pop(name) if name in values else getattr(type(self), name))
        if values:
            message = f"{type(self).__name__}: no fields {', '.join(values)}"
            raise TypeError(message)
        self._names = names

    def model_dump(self) -> dict[str, Any]:
        """Return the values by name."""
        return {name: getattr(self, name) for name in self._names}

    def model_copy(self, *, update: Mapping[str, Any]) -> Values:
        """Return a copy with some values replaced."""
        return type(self)(**self.model_dump() | dict(update))


def _default(default: Any = None, **_options: object) -> Any:
    """Stand in for `pydantic.Field`: return the default value."""
    return default


class _Finder(MetaPathFinder, Loader):
    """Finds the stand-ins of `PACKAGES` and of their modules, after every other finder."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_ours = fullname.partition(".")[0] in PACKAGES
        return ModuleSpec(fullname, self, is_package=True) if is_ours else None

    def exec_module(self, module: ModuleType) -> None:
        names: dict[str, Any] = {"BaseModel": Values, "Field": _default, "ConfigDict": dict}
        if module.__name__ == "pydantic":
            module.__dict__.update(names)
        module.__dict__["__getattr__"] = _attribute


def _attribute(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return StandIn


def install() -> None:
    """Put stand-ins in the place of packages that are missing, for imports from now on."""
    sys.meta_path.append(_Finder())
