"""Records behave as frozen data classes, named tuples as those of `typing`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import ClassVar

import pytest

from isocenter.record import NamedTuple, Record, RecordType, replace


class Address(Record):
    host: str
    port: int = 104
    schemes: ClassVar[tuple[str, ...]] = ("dicom",)

    @property
    def text(self) -> str:
        return f"{self.host}:{self.port}"


class Login(Record, hidden=("password",), uncompared=("note",)):
    name: str
    password: bytes
    note: str = ""


class Secure(Address):
    certificate: str = ""


class Nothing(Record, kw_only=False):
    pass


class Point(Record, kw_only=False):
    x: int
    y: int = 0


class Counter(Record, frozen=False):
    count: int = 0


class Pair(Record, frozen=False, kw_only=False):
    first: int
    second: int

    def __init__(self, first: int, second: int) -> None:
        self.first = first
        self.second = second


class Place(NamedTuple):
    row: int
    column: int = 1


def test_record_takes_arguments_by_name_and_has_defaults() -> None:
    address = Address(host="h")
    assert (address.host, address.port, address.text) == ("h", 104, "h:104")
    assert Address.schemes == ("dicom",)
    assert not hasattr(address, "__dict__")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "misses the arguments 'host'"),
        ({"port": 1}, "misses the arguments 'host'"),
        ({"host": "h", "post": 1}, "unexpected keyword argument 'post'"),
        ({"post": 1}, "unexpected keyword argument 'post'"),
        ({"host": "h", "port": 1, "self": 1}, "unexpected keyword argument 'self'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Address(**arguments)  # type: ignore[arg-type]  # that is the point


def test_keyword_only_record_refuses_positions() -> None:
    with pytest.raises(TypeError, match="0 positional"):
        Address("h")  # type: ignore[call-arg]  # that is the point


def test_positional_record_takes_either() -> None:
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert Point(1) == Point(1, 0)
    with pytest.raises(TypeError, match="multiple values"):
        Point(1, x=2)  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError, match="2 positional"):
        Point(1, 2, 3)  # type: ignore[call-arg]  # that is the point


def test_record_never_changes() -> None:
    address = Address(host="h")
    with pytest.raises(dataclasses.FrozenInstanceError, match="'port'"):
        address.port = 1  # type: ignore[misc]  # that is the point
    with pytest.raises(AttributeError, match="'port'"):
        del address.port
    with pytest.raises(AttributeError):
        address.other = 1  # type: ignore[attr-defined]  # that is the point
    assert address.port == 104


def test_record_that_may_change_does_and_has_no_hash() -> None:
    counter = Counter()
    counter.count += 1
    assert counter == Counter(count=1)
    with pytest.raises(TypeError):
        hash(counter)
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]  # that is the point


def test_own_constructor_is_kept() -> None:
    assert Pair(1, 2) == Pair(first=1, second=2) != Pair(2, 1)
    assert repr(Pair(1, 2)) == "Pair(first=1, second=2)"


def test_equality_and_hash_go_by_fields_and_class() -> None:
    assert Address(host="h") == Address(host="h", port=104)
    assert hash(Address(host="h")) == hash(Address(host="h", port=104))
    assert Address(host="h") != Address(host="H")
    assert Address(host="h") != Secure(host="h")
    assert Nothing() == Nothing()
    assert Address(host="h") != ("h", 104)


def test_fields_may_be_hidden_or_make_no_difference() -> None:
    login = Login(name="n", password=b"p", note="x")
    assert repr(login) == "Login(name='n', note='x')"
    assert login == Login(name="n", password=b"p")
    assert hash(login) == hash(Login(name="n", password=b"p"))
    assert login != Login(name="n", password=b"q")


def test_record_inherits_fields() -> None:
    assert repr(Secure(host="h", certificate="c")) == (
        "Secure(host='h', port=104, certificate='c')"
    )


def test_replacing_makes_another_one() -> None:
    address = Address(host="h")
    assert replace(address, port=1) == Address(host="h", port=1)
    assert address.__replace__(host="i") == Address(host="i")
    with pytest.raises(TypeError, match="'post'"):
        replace(address, post=1)


@pytest.mark.parametrize("made", [Address(host="h"), Pair(1, 2), Nothing(), Place(1)])
def test_copies_are_equal(made: object) -> None:
    assert copy.copy(made) == made
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert type(copy.copy(made)) is type(made)


def test_record_is_a_data_class_to_whoever_asks() -> None:
    login = Login(name="n", password=b"p")
    assert dataclasses.is_dataclass(login)
    assert [field.name for field in dataclasses.fields(Login)] == ["name", "password", "note"]
    assert [field.repr for field in dataclasses.fields(Login)] == [True, False, True]
    assert [field.compare for field in dataclasses.fields(Login)] == [True, True, False]
    assert dataclasses.fields(Login)[2].default == ""
    assert dataclasses.asdict(Point(1, 2)) == {"x": 1, "y": 2}
    assert dataclasses.replace(login, name="m") == Login(name="m", password=b"p")


def test_annotations_must_be_text() -> None:
    with pytest.raises(TypeError, match="must be text"):
        RecordType("Bad", (Record,), {"__annotations__": {"field": int}})


def test_named_tuple_is_a_tuple_with_names() -> None:
    place = Place(3)
    row, column = place
    assert (row, column) == (3, 1) == place == (place.row, place.column)
    assert Place(row=3, column=2) == Place(3, 2) == Place(3, column=2)
    assert repr(place) == "Place(row=3, column=1)"
    assert place._replace(row=4) == Place(4)
    assert place._asdict() == {"row": 3, "column": 1}
    assert Place._make([5, 6]) == Place(5, 6)
    assert Place._fields == ("row", "column")
    assert isinstance(place, tuple)


@pytest.mark.parametrize(
    ("positional", "named"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"row": 1}), ((1,), {"other": 2}), ((), {"column": 2})],
)
def test_named_tuple_refuses_wrong_arguments(
    positional: tuple[int, ...], named: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match="takes the arguments row, column"):
        Place(*positional, **named)
