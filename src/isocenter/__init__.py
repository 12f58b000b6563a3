"""DICOM networking in pure Python.

The public names are re-exported here and loaded when first used (PEP 562), so that
importing one module of the package, as every tool does when it starts, does not pay
for the others. `tests/test_public_api.py` pins the list.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"

_HOME: dict[str, str] = {}
"""Public name to the module that defines it, one row per name of `__all__`."""


def __getattr__(name: str) -> object:
    """Load a public name from its home module (PEP 562).

    Raises:
        AttributeError: the name is not public.
    """
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)
