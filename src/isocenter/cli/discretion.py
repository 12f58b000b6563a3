"""Patients' names in what a receiver logs.

With ``--sort-on-patientname`` the names of folders begin with the patient's, and lines that tell
of a file or folder repeat them. Owns how they are left out: in one place, over all messages, so
that a message which is added later tells no name either. Must not know who logs what.
"""

from __future__ import annotations

import re

from isocenter.cli.logsetup import edit_messages

__all__ = ["hide_patients", "without_patients"]

_FOLDER = re.compile(r"(?<!\w)\w+(?=_\d{8}_\d{9}(?!\d))", re.ASCII)
"""What stands in front of a folder's time (`storage.naming.patient_folder`, `folder_stamp`): ASCII
letters, digits and underscores, or a hash of a name that is too long."""


def without_patients(text: str) -> str:
    """Return a message with ``(patient)`` in the place of what a folder's name says of one."""
    return _FOLDER.sub("(patient)", text)


def hide_patients() -> None:
    """Leave names of patients out of every message from now on."""
    edit_messages(without_patients)
