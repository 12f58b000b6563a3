"""Data classes and named tuples that cost a start nothing: `Record`, `NamedTuple`.

Owns the base of all options, PDUs, events and messages. Must not know any of them.
`dataclasses` would bring `inspect`, `ast` and `re` along and compile source text for
every class: 25 ms for the classes that sending one file needs, half of what the whole
run may take. `typing`, and `typing.NamedTuple` with it, would take another 8 ms.

To a type checker a record is a data class (PEP 681), and to the functions of `dataclasses`
as well: `fields`, `replace`, `asdict` work, from the moment somebody calls them.
"""

# ruff: noqa: SLF001 - the functions here are the methods of `RecordType`'s instances

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from dataclasses import Field
    from typing import ClassVar, NamedTuple, NoReturn, Self, TypeVar, dataclass_transform

    R = TypeVar("R", bound="Record")
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        """Do nothing: what `typing.dataclass_transform` says is for type checkers."""
        return lambda kind: kind


__all__ = ["NamedTuple", "Record", "RecordType", "replace"]


def _hash(record: Record) -> int:
    return hash(tuple([getattr(record, name) for name in type(record)._compared]))


def _refuse_setting(record: Record, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    del value
    raise FrozenInstanceError(f"cannot assign to field {name!r} of {type(record).__name__}")


def _refuse_deleting(record: Record, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r} of {type(record).__name__}")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class RecordType(type):
    """The type of all record classes; it makes slots and defaults out of annotations.

    Class keywords:
        frozen: attributes cannot be set, and instances are hashable. True by default.
        kw_only: arguments are given by keyword only. True by default.
        hidden: names of fields that `repr` does not show.
        uncompared: names of fields that make no difference to equality.

    A class may bring its own `__init__`, where making instances is on a hot path.
    """

    _names: tuple[str, ...]
    _kw_only: bool
    _hidden: tuple[str, ...]
    _compared: tuple[str, ...]
    _defaults: dict[str, object]
    # Each field's name and the `__set__` of its slot, which `frozen` does not stop.
    _setters: tuple[tuple[str, Callable[[object, object], None]], ...]

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, object],
        *,
        frozen: bool = True,
        kw_only: bool = True,
        hidden: tuple[str, ...] = (),
        uncompared: tuple[str, ...] = (),
    ) -> RecordType:
        """Make the class.

        Raises:
            TypeError: annotations are no text: ``from __future__ import annotations`` is missing.
        """
        annotations = namespace.get("__annotations__", {})
        if not isinstance(annotations, dict) or "__annotate__" in namespace:
            raise TypeError(f"{name}: annotations of a record must be text")
        own = []
        defaults: dict[str, object] = {}
        names: tuple[str, ...] = ()
        for base in bases:
            if isinstance(base, RecordType):
                names += base._names
                defaults |= base._defaults
                hidden += base._hidden
                uncompared += tuple(set(base._names) - set(base._compared))
        for field, annotation in annotations.items():
            if not isinstance(annotation, str):
                raise TypeError(f"{name}.{field}: annotations of a record must be text")
            if annotation.startswith(("ClassVar", "typing.ClassVar")):
                continue
            own.append(field)
            if field in namespace:
                defaults[field] = namespace.pop(field)
        namespace["__slots__"] = tuple(own)
        if frozen and bases:  # `Record` itself is neither
            namespace["__setattr__"] = _refuse_setting
            namespace["__delattr__"] = _refuse_deleting
            namespace["__hash__"] = _hash
        else:
            namespace["__hash__"] = None
        made = super().__new__(cls, name, bases, namespace)
        made._names = names = names + tuple(own)
        made._kw_only = kw_only
        made._hidden = hidden
        made._compared = tuple(field for field in names if field not in uncompared)
        made._defaults = defaults
        made._setters = tuple((field, getattr(made, field).__set__) for field in names)
        return made


class Record(metaclass=RecordType):  # noqa: PLW1641 - `RecordType` gives `__hash__`
    """A class whose annotations are its fields.

    Instances have slots, compare and print by their fields and, unless the class says
    otherwise, take keyword arguments only and never change.

    ```
    class Address(Record):
        host: str
        port: int = 104
    ```
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[object]]]
    else:

        def __init__(self, /, *positional: object, **values: object) -> None:
            """Set the fields.

            Raises:
                TypeError: an argument is missing, unknown or given twice.
            """
            kind = type(self)
            if positional:
                values = _by_name(kind, positional, values)
            setters = kind._setters
            if len(values) != len(setters):
                values = kind._defaults | values
            try:
                for name, assign in setters:
                    assign(self, values[name])
            except KeyError:
                raise _bad_arguments(kind, values) from None
            if len(values) != len(setters):
                raise _bad_arguments(kind, values)

    def __eq__(self, other: object) -> bool:
        kind = type(self)
        if type(other) is not kind:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in kind._compared)

    def __repr__(self) -> str:
        kind = type(self)
        shown = (name for name in kind._names if name not in kind._hidden)
        return f"{kind.__qualname__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def __reduce__(self) -> tuple[object, ...]:
        """Say how `copy` and `pickle` make another one."""
        kind = type(self)
        return _restore, (kind, *(getattr(self, name) for name in kind._names))

    def __replace__(self, /, **changes: object) -> Self:
        """Serve `copy.replace` of Python 3.13."""
        return replace(self, **changes)


def replace(record: R, /, **changes: object) -> R:
    """Return a copy of a record with other values in some fields.

    Raises:
        TypeError: there is no such field.
    """
    kind = type(record)
    values = {name: getattr(record, name) for name in kind._names} | changes
    if len(values) != len(kind._names):
        raise _bad_arguments(kind, values)
    return _restore(kind, *values.values())


def _restore(kind: type[R], *values: object) -> R:
    made = kind.__new__(kind)
    for (_, assign), value in zip(kind._setters, values, strict=True):
        assign(made, value)
    return made


def _by_name(
    kind: RecordType, positional: tuple[object, ...], values: dict[str, object]
) -> dict[str, object]:
    """Add positional arguments to those given by name.

    Raises:
        TypeError: the class takes none, fewer, or one was given by name as well.
    """
    if kind._kw_only or len(positional) > len(kind._names):
        most = 0 if kind._kw_only else len(kind._names)
        raise TypeError(f"{kind.__name__}() takes {most} positional arguments at most")
    for name, value in zip(kind._names, positional, strict=False):
        if name in values:
            raise TypeError(f"{kind.__name__}() got multiple values for argument {name!r}")
        values[name] = value
    return values


def _bad_arguments(kind: RecordType, values: Mapping[str, object]) -> TypeError:
    """Say which argument is missing, or which is unknown."""
    for name in values:
        if name not in kind._names:
            return TypeError(f"{kind.__name__}() got an unexpected keyword argument {name!r}")
    missing = ", ".join(repr(name) for name in kind._names if name not in values)
    return TypeError(f"{kind.__name__}() misses the arguments {missing}")


class _DataclassFields:
    """What the functions of `dataclasses` look for, made when they do."""

    def __get__(self, record: object, kind: RecordType) -> dict[str, Field[object]]:
        import dataclasses

        shown = [
            (
                name,
                kind.__annotations__.get(name, "object"),
                dataclasses.field(
                    repr=name not in kind._hidden,
                    compare=name in kind._compared,
                    default=kind._defaults.get(name, dataclasses.MISSING),
                    kw_only=kind._kw_only,
                ),
            )
            for name in kind._names
        ]
        twin = dataclasses.make_dataclass(kind.__name__, shown)
        fields: dict[str, Field[object]] = vars(twin)["__dataclass_fields__"]
        return fields


if not TYPE_CHECKING:
    Record.__dataclass_fields__ = _DataclassFields()


if not TYPE_CHECKING:

    class _NamedTupleType(type):
        """Makes properties out of the annotations of a tuple class."""

        def __new__(
            cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]
        ) -> _NamedTupleType:
            """Make the class."""
            fields = tuple(namespace.get("__annotations__", ()))
            namespace["__slots__"] = ()
            namespace["_fields"] = namespace["__match_args__"] = fields
            namespace["_field_defaults"] = {
                field: namespace.pop(field) for field in fields if field in namespace
            }
            for place, field in enumerate(fields):
                namespace[field] = property(itemgetter(place))
            return super().__new__(cls, name, bases, namespace)

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """What `typing.NamedTuple` is, without `typing`."""

        __slots__ = ()

        def __new__(cls, *positional: object, **values: object) -> Self:
            """Make one of values in order or by name.

            Raises:
                TypeError: an argument is missing, unknown or given twice.
            """
            fields = cls._fields
            if values or len(positional) != len(fields):
                given = dict(zip(fields, positional, strict=False))
                named = cls._field_defaults | given | values
                if (
                    len(named) != len(fields)
                    or len(given) != len(positional)
                    or given.keys() & values.keys()
                ):
                    raise TypeError(f"{cls.__name__}() takes the arguments {', '.join(fields)}")
                positional = [named[field] for field in fields]
            return tuple.__new__(cls, positional)

        def __getnewargs__(self) -> tuple[object, ...]:
            """Say how `copy` and `pickle` make another one."""
            return tuple(self)

        def __repr__(self) -> str:
            shown = zip(self._fields, self, strict=True)
            return f"{type(self).__name__}({', '.join(f'{n}={value!r}' for n, value in shown)})"

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        @classmethod
        def _make(cls, values: Iterable[object]) -> Self:
            return cls(*values)

        def _replace(self, **changes: object) -> Self:
            return type(self)(**(self._asdict() | changes))

        __replace__ = _replace
