"""Every row of the field study's table of known attacks (4.1): the tests of its name, or why none.

48 classes of defects that other tools for DICOM had, most with a CVE number. A row is met by tests
of this folder that carry its name, against the real tools; or it needs something that storescu,
storescp, echoscu and the Python interface do not have.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """One class of attacks.

    Fields: `name` as it is known; `tests` as ``file::function``; `reason`, where there is no test,
    why these tools cannot meet it.
    """

    name: str
    tests: tuple[str, ...] = ()
    reason: str = ""


NO_QUERY = "no query, retrieval or worklist is served: requests for them are refused (rows 17, 25)"
NO_PIXELS = "no pixel is ever decoded or transcoded: compressed frames are passed on as they are"
NO_WEB = "nothing speaks HTTP"
NO_XML = "no XML is read"

PATHS, COMMANDS, PROTOCOL, LASTING, DATA, SENDERS = (
    f"test_{name}.py::test_"
    for name in ("paths", "commands", "protocol", "lasting", "datasets", "senders")
)

ROWS: dict[int, Row] = {
    1: Row("CVE-2022-2119", (PATHS + "cve_2022_2119_path_traversal_in_sop_instance_uid",)),
    2: Row(
        "CVE-2022-2120",
        (PATHS + "cve_2022_2120_peer_that_sends_a_sender_objects_writes_no_file",),
    ),
    3: Row(
        "CVE-2026-50003",
        (PATHS + "cve_2026_50003_path_traversal_in_bit_preserving_and_every_other_mode",),
    ),
    4: Row(
        "DCMTK 4527dff56",
        (PATHS + "dcmtk_4527dff56_study_instance_uid_of_dots_without_a_prefix",),
    ),
    5: Row("CVE-2026-52868", (PATHS + "cve_2026_52868_called_title_selects_no_directory",)),
    6: Row(
        "CVE-2026-5663",
        (
            COMMANDS + "cve_2026_5663_shell_metacharacters_in_uids",
            COMMANDS + "cve_2026_5663_shell_metacharacters_in_the_name_of_a_host",
            COMMANDS + "cve_2026_5663_operator_who_names_a_folder_that_a_shell_would_read",
        ),
    ),
    7: Row("DCMTK 1109", (COMMANDS + "dcmtk_1109_shell_metacharacters_in_ae_titles",)),
    8: Row(
        "pynetdicom 823", (PATHS + "pynetdicom_823_path_traversal_through_the_python_interface",)
    ),
    9: Row(
        "pynetdicom 1092",
        (PATHS + "pynetdicom_1092_and_1093_success_is_never_said_of_a_file_outside",),
    ),
    10: Row(
        "pynetdicom 1086",
        (
            PATHS + "pynetdicom_1086_traversal_by_the_request_while_the_data_set_is_harmless",
            PROTOCOL + "pynetdicom_1086_pdu_length_of_gigabytes_before_an_association",
            PROTOCOL + "pynetdicom_1086_pdu_length_of_gigabytes_in_an_association",
            PROTOCOL + "pynetdicom_1086_pdu_shorter_than_it_says_ends_with_its_connection",
            PROTOCOL + "pynetdicom_1086_bytes_before_an_association_have_a_budget",
            DATA + "pynetdicom_1086_decompression_bomb_of_many_small_objects",
        ),
    ),
    11: Row("CVE-2026-32711", (PATHS + "cve_2026_32711_dicomdir_that_references_files_elsewhere",)),
    12: Row(
        "io-dicom 55", (PATHS + "io_dicom_55_patient_id_and_every_other_value_as_a_directory",)
    ),
    13: Row("DICOMHawk 114", (PATHS + "dicomhawk_114_absolute_path_in_a_uid",)),
    14: Row("dicom-rs", (PATHS + "dicom_rs_storescp_uid_joined_to_the_directory",)),
    15: Row(
        "CVE-2021-41687",
        (LASTING + "cve_2021_41687_requests_that_cannot_be_read_take_no_memory",),
    ),
    16: Row("CVE-2021-41688", (PROTOCOL + "cve_2021_41688_request_cut_at_any_byte",)),
    17: Row(
        "CVE-2021-41689",
        (
            PROTOCOL + "cve_2021_41689_and_cve_2025_14841_query_without_its_elements",
            DATA + "cve_2021_41689_object_without_any_of_its_elements",
        ),
    ),
    18: Row(
        "CVE-2021-41690",
        (
            LASTING + "cve_2021_41690_objects_and_broken_objects_take_no_memory",
            SENDERS + "cve_2021_41690_python_interface_takes_no_memory_with_each_failure",
        ),
    ),
    19: Row("CVE-2022-2121", (SENDERS + "cve_2022_2121_file_cut_short_at_any_byte",)),
    20: Row(
        "CVE-2022-43272",
        (LASTING + "cve_2022_43272_connect_and_abort_again_and_again_takes_no_memory",),
    ),
    21: Row(
        "CVE-2022-4981",
        (
            SENDERS + "cve_2022_4981_configuration_that_is_malformed",
            SENDERS + "cve_2022_4981_logger_configuration_that_is_malformed",
        ),
    ),
    22: Row(
        "CVE-2024-28130",
        (DATA + "cve_2024_28130_elements_of_another_type_than_the_dictionary_says",),
    ),
    23: Row(
        "CVE-2024-34508",
        (
            PROTOCOL + "cve_2024_34508_and_34509_command_set_that_is_invalid",
            PROTOCOL + "cve_2024_34508_command_sets_with_random_changes",
            PROTOCOL + "cve_2024_34508_and_34509_group_length_that_lies",
            SENDERS + "cve_2024_34508_acceptor_that_lies_to_the_python_interface",
        ),
    ),
    24: Row(
        "DCMTK 1549d8ccc",
        (
            PROTOCOL + "dcmtk_1549d8ccc_pdv_longer_than_its_pdu",
            SENDERS + "dcmtk_1549d8ccc_and_cve_2024_34508_acceptor_that_lies_to_a_tool",
        ),
    ),
    25: Row(
        "CVE-2025-14841",
        (PROTOCOL + "cve_2021_41689_and_cve_2025_14841_query_without_its_elements",),
    ),
    26: Row("CVE-2025-14607", (DATA + "cve_2025_14607_text_of_illegal_odd_length",)),
    27: Row(
        "DCMTK 1206",
        (
            PROTOCOL + "dcmtk_1206_overlong_titles_uids_and_items_of_an_association",
            PROTOCOL + "dcmtk_1206_overlong_keys_of_a_query",
        ),
    ),
    28: Row(
        "DCMTK 1075",
        (
            LASTING + "dcmtk_1075_abort_in_every_state",
            SENDERS + "dcmtk_1075_acceptor_that_aborts_in_every_state",
        ),
    ),
    29: Row("DCMTK 1089", (DATA + "dcmtk_1089_item_and_signature_tags_of_another_vr",)),
    30: Row(
        "DCMTK 1191",
        (
            DATA + "dcmtk_1191_nested_sequences_by_the_ten_thousands",
            DATA + "dcmtk_1191_nested_sequences_in_a_file_to_send",
            DATA + "dcmtk_1191_nested_sequences_for_a_provider_that_reads_with_pydicom",
        ),
    ),
    31: Row(
        "CVE-2026-50254",
        (
            LASTING
            + "cve_2026_50254_and_cve_2026_35505_repeated_connection_requests_take_no_memory",
        ),
    ),
    32: Row("CVE-2026-44628", reason=NO_QUERY),
    33: Row(
        "CVE-2024-47796",
        (DATA + "cve_2024_47796_cve_2024_52333_cve_2026_5442_and_5444_geometry_that_lies",),
    ),
    34: Row("CVE-2025-25472", reason=NO_PIXELS),
    35: Row("CVE-2026-12805", reason=NO_XML),
    36: Row("CVE-2024-27628", reason=NO_PIXELS),
    37: Row("CVE-2026-5437", (SENDERS + "cve_2026_5437_file_meta_that_lies",)),
    38: Row(
        "CVE-2026-5438",
        (
            DATA + "cve_2026_5438_and_5439_deflate_bomb_received",
            DATA + "cve_2026_5438_deflate_bomb_in_a_file_to_send",
        ),
    ),
    39: Row(
        "CVE-2026-5440",
        (PROTOCOL + "cve_2026_5440_length_of_gigabytes_in_a_data_set_allocates_nothing",),
    ),
    40: Row("CVE-2026-5441", reason=NO_PIXELS),
    41: Row(
        "CVE-2026-5442",
        (DATA + "cve_2024_47796_cve_2024_52333_cve_2026_5442_and_5444_geometry_that_lies",),
    ),
    42: Row("CVE-2025-0896", reason=NO_WEB),
    43: Row("CVE-2023-33466", reason=NO_WEB),
    44: Row(
        "CVE-2026-3650",
        (
            SENDERS + "cve_2026_3650_vr_in_file_meta_that_no_standard_knows",
            SENDERS + "cve_2026_3650_huge_file_meta_costs_no_memory",
        ),
    ),
    45: Row("CVE-2025-52582", reason=NO_PIXELS),
    46: Row("dcm4che 1595", reason=NO_XML),
    47: Row("dcm4chee 3660", (PROTOCOL + "dcm4chee_3660_n_action_without_references",)),
    48: Row(
        "slow loris",
        (
            LASTING + "slow_loris_before_an_association",
            LASTING + "slow_loris_within_an_association",
        ),
    ),
}


def _functions(folder: Path) -> set[str]:
    """Return every test of a folder as ``file::function``, without running anything."""
    return {
        f"{path.name}::{node.name}"
        for path in folder.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_of_the_table_is_met_or_cannot_be() -> None:
    assert sorted(ROWS) == list(range(1, 49))
    assert [number for number, row in ROWS.items() if bool(row.tests) == bool(row.reason)] == []


@pytest.mark.parametrize("number", ROWS)
def test_tests_of_a_row_exist_and_carry_its_name(number: int) -> None:
    row = ROWS[number]
    missing = set(row.tests) - _functions(Path(__file__).parent)
    assert missing == set()
    digits = "".join(c if c.isalnum() else "_" for c in row.name.lower()).removeprefix("cve_")
    for test in row.tests:
        # Several of one year share a test: the last part of the number decides.
        assert digits.rpartition("_")[2] in test, (row.name, test)


def test_every_attack_is_in_the_table() -> None:
    named = {test for row in ROWS.values() for test in row.tests}
    here = Path(__file__)
    found = {name for name in _functions(here.parent) if not name.startswith(here.name)}
    assert found == named
