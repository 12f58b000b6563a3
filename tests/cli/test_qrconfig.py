"""dcmqrscp's configuration file: what it says, and what is said about its mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.cli.qrconfig import NodeConfigError, parse_config, read_config
from isocenter.errors import ConfigurationError
from isocenter.node.config import CharsetRules, Entity, NodeConfig, Peer, Quota

if TYPE_CHECKING:
    from pathlib import Path

TABLES = """\
# a comment
NetworkTCPPort  = 11112
MaxPDUSize      = 32768

HostTable BEGIN
acme1 = (ACME1, acmehost1, 5678)
acme  = acme1, (ACME2, acmehost2, 5679)
HostTable END
VendorTable BEGIN
"Acme CT Company" = acme
VendorTable END
AETable BEGIN
STORE    /var/store        RW (9, 1024mb)    acme
READ     /var/store        R  (200, 1gb)     ANY
AETable END
"""


def parsed(text: str) -> NodeConfig:
    """Parse a text that nothing is wrong with."""

    def fail(warning: str) -> None:
        raise AssertionError(warning)

    return parse_config(text, "node.cfg", warn=fail)


def mistakes(text: str) -> tuple[str, ...]:
    """Return what is said about a text."""
    with pytest.raises(NodeConfigError) as caught:
        parse_config(text, "node.cfg", warn=lambda warning: None)
    return caught.value.mistakes


def row(text: str) -> Entity:
    """Return the entity of one row of AETable."""
    return parsed(f"AETable BEGIN\n{text}\nAETable END\n").entities[0]


def test_tables_and_keywords_are_read() -> None:
    config = parsed(TABLES)
    peers = (Peer("ACME1", "acmehost1", 5678), Peer("ACME2", "acmehost2", 5679))
    assert config.port == 11112
    assert config.maximum_length == 32768
    assert config.maximum_associations == 16
    assert config.hosts == {"acme1": peers[:1], "acme": peers}
    assert config.vendors == {"Acme CT Company": peers}
    assert config.entities == (
        Entity(
            ae_title="STORE",
            storage_area="/var/store",
            quota=Quota(9, 1 << 30),
            peers=peers,
        ),
        Entity(
            ae_title="READ", storage_area="/var/store", writable=False, quota=Quota(200, 1 << 30)
        ),
    )


def test_an_empty_file_has_dcmtks_defaults() -> None:
    assert parsed("") == NodeConfig(port=104, maximum_length=16384, maximum_associations=16)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("NetworkTCPPort = 104", 104),
        ("NetworkTCPPort 4242\r", 4242),
        ("   NetworkTCPPort\t=\t4242   ", 4242),
        ("NetworkTCPPort == ,, 4242,", 4242),
        ("NetworkTCPPort (4242)", 4242),
        ("NetworkTCPPort 0", 104),
    ],
    ids=["equals", "crlf", "blanks", "gaps", "quoted", "zero"],
)
def test_blanks_equals_and_commas_separate(text: str, port: int) -> None:
    assert parsed(text).port == port


@pytest.mark.parametrize("opening", list("\"'()"))
@pytest.mark.parametrize("closing", list("\"'()"))
def test_any_quote_opens_and_any_closes(opening: str, closing: str) -> None:
    entity = row(f"A {opening}/var/with blank, and=more{closing} RW (1,1kb) ANY")
    assert entity.storage_area == "/var/with blank, and=more"


@pytest.mark.parametrize(
    ("access", "readable", "writable"),
    [("R", True, False), ("RW", True, True), ("WR", True, True), ("W", False, True)],
)
def test_access_words(access: str, readable: bool, writable: bool) -> None:
    entity = row(f"A /a {access} (1, 1b) ANY")
    assert (entity.readable, entity.writable) == (readable, writable)


def test_unknown_access_word_is_reading_with_a_warning() -> None:
    warnings: list[str] = []
    text = "AETable BEGIN\nA /a rw (1, 1b) ANY\nAETable END"
    config = parse_config(text, "node.cfg", warn=warnings.append)
    assert config.entities[0].readable
    assert not config.entities[0].writable
    assert warnings == ['node.cfg, line 2: access "rw" of A is none of R, RW, WR, W: taken for R']


@pytest.mark.parametrize(
    ("text", "size"),
    [("7b", 7), ("7kb", 7 << 10), ("7MB", 7 << 20), ("7Gb", 7 << 30), ("9999gb", 9999 << 30)],
)
def test_sizes_have_units_and_no_bound(text: str, size: int) -> None:
    assert row(f"A /a RW (100000, {text}) ANY").quota == Quota(100000, size)


def test_peer_without_port_may_associate_and_nothing_moves_to_it() -> None:
    warnings: list[str] = []
    text = "AETable BEGIN\nA /a RW (1, 1b) (P, host)\nAETable END"
    config = parse_config(text, "node.cfg", warn=warnings.append)
    assert config.entities[0].peers == (Peer("P", "host", 0),)
    assert warnings == ["node.cfg, line 2: peer P has no port: nothing can be moved to it"]


@pytest.mark.parametrize(
    ("words", "rules"),
    [
        ("fallback", CharsetRules()),
        ('"ISO_IR 192", override', CharsetRules(name="ISO_IR 192", override=True)),
        (
            'discard, transliterate, "ISO_IR 100"',
            CharsetRules(name="ISO_IR 100", discard=True, transliterate=True),
        ),
    ],
    ids=["fallback", "override", "flags"],
)
def test_character_set_rules(words: str, rules: CharsetRules) -> None:
    assert parsed(f"SpecificCharacterSet = {words}").charset == rules


def test_keywords_of_old_releases_are_passed_over() -> None:
    assert parsed("Display = yes\nDisplayPort = 1\nNetworkType = tcp\n") == NodeConfig()


def test_first_definition_of_a_symbolic_name_counts() -> None:
    config = parsed("HostTable BEGIN\na = (A, h, 1)\na = (B, h, 2)\nHostTable END")
    assert config.hosts["a"] == (Peer("A", "h", 1),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NetworkTCPPort=104", 'line 1: unknown keyword "NetworkTCPPort=104"; expected one of'),
        ("\n\nfoo bar", 'line 3: unknown keyword "foo"; expected one of NetworkTCPPort, '),
        ("NetworkTCPPort x", 'line 1: invalid NetworkTCPPort "x"; expected 0..65535'),
        ("NetworkTCPPort 65536", 'line 1: invalid NetworkTCPPort "65536"; expected 0..65535'),
        ("NetworkTCPPort", "line 1: NetworkTCPPort with 0 values; expected a number"),
        ("MaxPDUSize = 4095", 'line 1: invalid MaxPDUSize "4095"; expected 4096..131072'),
        ("AETable END", 'line 1: no "AETable BEGIN" before END'),
        ("HostTable START", 'line 1: unknown HostTable status "START"; expected BEGIN'),
        ("HostTable BEGIN\nHostTable X\nHostTable END", 'line 2: illegal HostTable status "X"'),
        ("HostTable BEGIN", 'line 1: no "HostTable END" behind "HostTable BEGIN"'),
        ("HostTable BEGIN\nAETable BEGIN\nHostTable END", 'line 2: "AETable" inside of HostTable'),
        ("HostTable BEGIN\na = b\nHostTable END", 'line 2: symbolic name "b" not defined'),
        ("HostTable BEGIN\na =\nHostTable END", 'line 2: no peers for symbolic name "a" defined'),
        ("HostTable BEGIN\n=,=\nHostTable END", "line 2: a row of HostTable without a value"),
        ("HostTable BEGIN\na = (B, h, 1\nHostTable END", "line 2: nothing closes ( before B, h, 1"),
        ("HostTable BEGIN\na = (B,h,x)\nHostTable END", 'line 2: "x" of peer B is no TCP port'),
        ("HostTable BEGIN\na = (B,h,70000)\nHostTable END", 'line 2: "70000" of peer B is no TCP'),
        ("HostTable BEGIN\na = (B,h,1,2)\nHostTable END", "line 2: peer (B,h,1,2) has 4 values"),
        ("AETable BEGIN\nA /a RW (1,1kb)\nAETable END", "line 2: a row of AETable is AETitle "),
        ("AETable BEGIN\nA /a RW (1,1) ANY\nAETable END", 'line 2: quota "1,1" of A; expected ('),
        ("AETable BEGIN\nA /a RW (0,1b) ANY\nAETable END", 'line 2: quota "0,1b" of A allows noth'),
        ("AETable BEGIN\nA /a RW (-1,1b) ANY\nAETable END", 'line 2: quota "-1,1b" of A; expect'),
        ("AETable BEGIN\nA /a RW 1 ANY\nAETable END", 'line 2: quota "1" of A; expected ('),
        ("AETable BEGIN\nA /a RW (1,1b) any\nAETable END", 'line 2: symbolic name "any" not def'),
        ("AETable BEGIN\nA\\B /a RW (1,1b) ANY\nAETable END", 'line 2: "A\\B" is no AE title'),
        ('AETable BEGIN\nA "" RW (1,1b) ANY\nAETable END', "line 2: storage area of A: expected"),
        ('SpecificCharacterSet = "A", "B"', 'line 1: "B" behind SpecificCharacterSet A; expected'),
    ],
)
def test_mistake_is_told_with_file_line_and_what_was_expected(text: str, told: str) -> None:
    (line,) = mistakes(text)
    assert line.startswith(f"node.cfg, {told}")


def test_all_mistakes_are_told() -> None:
    told = mistakes("foo\nNetworkTCPPort x\nAETable END")
    assert [line.split(":")[0] for line in told] == [
        "node.cfg, line 1",
        "node.cfg, line 2",
        "node.cfg, line 3",
    ]


def test_mistakes_of_a_file_that_is_none_are_bounded() -> None:
    told = mistakes("rubbish\n" * 1000)
    assert len(told) == 51
    assert told[-1] == "node.cfg: 950 more mistakes"


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_config(str(tmp_path / "none.cfg"), warn=lambda warning: None)
    path = tmp_path / "none.cfg"
    assert str(caught.value) == f"cannot access {path}: No such file or directory"


def test_file_with_other_bytes_than_utf8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "node.cfg"
    path.write_bytes(b"# Z\xfcrich\nAETable BEGIN\nA /a\xfc R (1,1b) ANY\nAETable END")
    config = read_config(str(path), warn=lambda warning: None)
    assert config.entities[0].storage_area == "/a\udcfc"


@given(st.text(alphabet="AETablHosBEGIND ()=,\"'1kmb\n\\/", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        config = parse_config(text, "node.cfg", warn=lambda warning: None)
    except NodeConfigError:
        return
    assert all(entity.ae_title and entity.storage_area for entity in config.entities)
