"""Fuzz target: names of files and folders out of what a peer sent.

The input is SOP class, SOP instance, study, patient, character set and date, with a newline
between. Whatever they are, what becomes of them is one component of a path, which no system
refuses and which is no temporary file's; and long ones that differ stay different. A command of the
operator's that is given them runs nothing of theirs.
"""

from __future__ import annotations

import os
import shlex

from isocenter.errors import StorageRefused
from isocenter.net.resolver import first_label
from isocenter.storage import naming
from isocenter.storage.hooks import HookCommand, HookFacts

_PREFIXES = ("", "st", "a b")
_COMMAND = HookCommand("program \"#p/#f\" '#f' #a #c #r", option="-xcr")
_VECTOR = HookCommand("program '#p/#f' -a#a #c: #r", option="-xcr", argument_vector=True)


def seeds() -> list[bytes]:
    """Return usual values, and those that somebody would try."""
    sets = (
        ("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.4", "Doe^Jane", "ISO_IR 100", "20240229"),
        ("", "../../etc/passwd", "..", "/", "\\", "2024.02.29"),
        ("1.2", ".isocenter-1-2.part", "a" * 300, "M\xfcller", "ISO_IR 192", "20241301"),
        ("x", "$(touch x)`id`;|&<>\"'", ".", "\0", "", "9999999"),
        ("x", "C:con", " ", "^^^", "ISO_IR 100\\ISO 2022 IR 87", "\xb2\xb3" * 4),
    )
    return ["\n".join(each).encode("latin-1") for each in sets]


def test_one_input(data: bytes) -> None:
    """Name one object and check what follows from it."""
    parts = [*data.split(b"\n"), b"", b"", b"", b"", b"", b""]
    sop_class, instance = (part.decode("latin-1") for part in parts[:2])
    name = naming.default_file_name(sop_class, instance, ".dcm" if len(data) % 2 else "")
    _check(name)
    other = naming.default_file_name(sop_class, instance + "0")
    if len(instance) > naming.MAXIMUM_COMPONENT_LENGTH and other.name == name.name:
        raise AssertionError(f"two instances are called {name.name}")
    _check(naming.patient_folder(parts[3], parts[4]))
    _check_date(naming.date_folder(parts[5], 1_700_000_000.0))
    for prefix in _PREFIXES:
        try:
            study = naming.study_uid_of(parts[2])
            _check(naming.study_folder(study, prefix))
        except StorageRefused as refused:
            if not str(refused):
                raise AssertionError("refused without a word") from refused
    label = first_label(instance)
    if label and (label not in instance or not label.isascii() or len(label) > 63):
        raise AssertionError(f"{label!r} is a label of {instance!r}")
    _check_commands(sop_class, instance, name.name)


def _check(name: naming.FileName) -> None:
    component = name.name
    if (
        not 0 < len(os.fsencode(component)) <= 255
        or component in {".", ".."}
        or component.startswith(naming.TEMPORARY_PREFIX)
        or not component.isascii()
        or not component.isprintable()
        or "/" in component
    ):
        raise AssertionError(f"{component!r} is no safe name")
    if not name.warning.isprintable() or len(name.warning) > 3000:
        raise AssertionError(f"{name.warning!r} is no line for a log")


def _check_date(folder: str) -> None:
    parts = folder.split("/")
    digits = parts[1:]
    lengths = {"data": [4, 2, 2], "undef": [8]}[parts[0]]
    if [len(each) for each in digits] != lengths or not all(
        each.isascii() and each.isdigit() for each in digits
    ):
        raise AssertionError(f"{folder!r} is no folder for a date")


def _check_commands(title: str, host: str, file_name: str) -> None:
    facts = HookFacts(title, title, host, "/out/folder", file_name)
    words = shlex.split(_COMMAND.expand(facts).arguments[2])
    expected = [naming.sanitise_value(each) for each in (file_name, title, title, host)]
    if words != ["program", f"/out/folder/{expected[0]}", *expected]:
        raise AssertionError(f"a shell runs {words!r}")
    arguments = _VECTOR.expand(facts).arguments
    if len(arguments) != 5 or any("\0" in argument for argument in arguments):
        raise AssertionError(f"{arguments!r} is run")
    if arguments[2] != "-a" + title.replace("\0", "_"):
        raise AssertionError(f"{arguments[2]!r} is given for {title!r}")
