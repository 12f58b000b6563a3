"""The import-linter contract behind "who may import whom" (docs/architecture.md).

import-linter's own contract types name modules that must exist. Packages of isocenter
appear when their first module does, so this one reads a table of directions and
applies the rows whose packages are there. A package without a row fails the contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from grimp import ImportGraph

__all__ = ["Direction"]


def _table(rows: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return `name -> a b` rows as name to (a, b)."""
    table = {}
    for row in rows:
        name, _, rest = row.partition("->")
        table[name.strip()] = tuple(rest.split())
    return table


def _within(module: str, places: Iterable[str]) -> bool:
    """Tell whether a module (without the root's name) is one of the places or inside one."""
    return any(module == place or module.startswith(place + ".") for place in places)


class Direction(Contract):
    """Rows of directions between the packages of one root, and towards the outside."""

    type_name = "direction"

    root = fields.StringField()
    leaf = fields.SetField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())
    outside = fields.ListField(subfield=fields.StringField())
    banned = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - the signature is import-linter's
        """Collect every import that no row allows."""
        del verbose
        broken = [
            f"{importer} imports {imported}: {reason}"
            for importer, imported in _imports(graph)
            if (reason := self._fault(importer, imported))
        ]
        return ContractCheck(kept=not broken, metadata={"broken": sorted(broken)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line per forbidden import."""
        for line in check.metadata["broken"]:
            output.print_error(line)

    def _fault(self, importer: str, imported: str) -> str | None:
        """Return why an import is forbidden, None where it is allowed."""
        root = str(self.root)
        if importer == root or not importer.startswith(root + "."):
            return None  # the root re-exports lazily
        source = importer.removeprefix(root + ".")
        if imported == root:
            return None
        if imported.startswith(root + "."):
            return self._inside(source.split(".")[0], imported.split(".")[1])
        return self._from_outside(source, imported.split(".", maxsplit=1)[0])

    def _inside(self, source: str, target: str) -> str | None:
        leaf = {str(name) for name in self.leaf}  # type: ignore[attr-defined]  # a field becomes its value
        if source == target or target in leaf:
            return None
        if source in leaf:
            return "a leaf module imports only leaf modules"
        rows = _table(self.allowed)  # type: ignore[arg-type]  # a field becomes its value
        if source not in rows:
            return f"{source} has no row in pyproject.toml"
        row = rows[source]
        if row[:1] == ("*",):
            return f"{source} may import anything but it" if target in row[1:] else None
        if target in row:
            return None
        return f"{source} may import only {' '.join(row) or 'leaf modules'}"

    def _from_outside(self, source: str, target: str) -> str | None:
        for place, names in _table(self.banned).items():  # type: ignore[arg-type]  # a field becomes its value
            if target in names and _within(source, [place]):
                return f"{place} does no I/O"
        places = _table(self.outside).get(target)  # type: ignore[arg-type]  # a field becomes its value
        if places is not None and not _within(source, places):
            return f"only {' '.join(places)} may"
        return None


def _imports(graph: ImportGraph) -> Iterator[tuple[str, str]]:
    """Yield every direct import of the graph."""
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            yield importer, imported
