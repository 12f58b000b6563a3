"""The sample configuration file of dcmqrscp says what its comments promise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.qrconfig import read_config
from isocenter.node.config import CharsetRules, Peer, Quota
from isocenter.testing import ct_image
from tests.peers import ROOT
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process
from tests.support.tools import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.node.config import NodeConfig

SAMPLE = ROOT / "docs" / "samples" / "dcmqrscp.cfg"


@pytest.fixture(scope="module")
def config() -> NodeConfig:
    warnings: list[str] = []
    config = read_config(str(SAMPLE), warn=warnings.append)
    assert warnings == []
    return config


def test_sample_is_read_without_a_word(config: NodeConfig) -> None:
    assert (config.port, config.maximum_associations) == (11112, 50)
    assert config.charset == CharsetRules(name="ISO_IR 192")
    archive, teaching = config.entities
    assert (archive.ae_title, archive.storage_area) == ("ARCHIVE", "/srv/dicom/archive")
    assert (archive.writable, teaching.writable) == (True, False)
    assert archive.quota == Quota(100000, 16 * 1024**3)
    assert config.vendors_of("CT1") == ("Scanners",)
    assert config.destination("REVIEW2") == Peer("REVIEW2", "10.0.0.32", 11113)


def test_sample_lets_in_who_is_named_from_where_they_are(config: NodeConfig) -> None:
    assert config.admits("ARCHIVE", "MR1", "10.0.0.21".__eq__)
    assert not config.admits("ARCHIVE", "MR1", "10.0.0.22".__eq__)
    assert not config.admits("TEACHING", "MR1", "10.0.0.21".__eq__)
    assert config.admits("TEACHING", "REVIEW1", "10.0.0.31".__eq__)


@pytest.mark.slow
def test_sample_runs(tmp_path: Path) -> None:
    for name in ("archive", "teaching"):
        (tmp_path / name).mkdir()
    text = SAMPLE.read_text().replace("/srv/dicom", str(tmp_path))
    here = re.sub(r"10\.0\.0\.\d+", "127.0.0.1", text)
    (tmp_path / "dcmqrscp.cfg").write_text(here)
    ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    port = free_port()
    with Process(OURS.argv("dcmqrscp", "-c", "dcmqrscp.cfg", str(port)), cwd=tmp_path) as node:
        assert wait_until_listening(port, node)

        def store(calling: str, called: str) -> int:
            titles = ("-aet", calling, "-aec", called)
            return OURS.run("storescu", *titles, "127.0.0.1", str(port), "a.dcm", cwd=tmp_path).code

        assert store("CT1", "ARCHIVE") == 0
        assert store("STRANGER", "ARCHIVE") != 0
        assert store("CT1", "TEACHING") != 0
        assert store("REVIEW1", "TEACHING") != 0
    found = list((tmp_path / "archive").rglob("*.dcm"))
    assert len(found) == 1
    assert not list((tmp_path / "teaching").rglob("*.dcm"))
