"""The trees of what runs as an agent, and where each name is given a value.

Names are not told apart by module or class, but for constants: a little too much is found rather than too little.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
RUNS = "agent.main"
"""What runs unattended. What else its package holds speaks to who types commands."""
WHOLE = ("contract", "device_profiles", "firmware_bridges")
"""The packages of which it may use everything."""


def _table() -> "defaultdict[str, list[ast.expr]]":
    return defaultdict(list)


@dataclass
class Sources:
    """`attributes` are without a leading underscore; `within` is the function that a node is in."""

    functions: defaultdict[str, list[ast.FunctionDef]] = field(default_factory=lambda: defaultdict(list))
    classes: defaultdict[str, list[ast.ClassDef]] = field(default_factory=lambda: defaultdict(list))
    calls: defaultdict[str, list[ast.Call]] = field(default_factory=lambda: defaultdict(list))
    raised: list[ast.Call] = field(default_factory=list)
    attributes: defaultdict[str, list[ast.expr]] = field(default_factory=_table)
    constants: defaultdict[str, list[ast.expr]] = field(default_factory=_table)
    within: dict[ast.AST, ast.FunctionDef] = field(default_factory=dict)
    paths: dict[ast.AST, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path = ROOT) -> Self:
        """Those of the agent below `root`."""
        found = cls()
        for path in (*_imported(root, RUNS), *sorted(path for each in WHOLE for path in (root / each).rglob("*.py"))):
            found.add(path.read_text("utf-8"), path.relative_to(root).as_posix())
        return found

    def add(self, text: str, path: str) -> None:
        tree = ast.parse(text)
        for name, value in _bound(tree.body):
            self.constants[name].append(value)
        self._add(tree, path, None)

    def _add(self, node: ast.AST, path: str, function: ast.FunctionDef | None) -> None:
        self.paths[node] = path
        if function is not None:
            self.within[node] = function
        self._note(node)
        for child in ast.iter_child_nodes(node):
            self._add(child, path, node if isinstance(node, ast.FunctionDef) else function)

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef():
                self.functions[node.name].append(node)
            case ast.ClassDef():
                self.classes[node.name].append(node)
                for name, value in _bound(node.body):
                    self.attributes[name.strip("_")].append(value)
            case ast.Call():
                self.calls[name_of(node.func)].append(node)
            case ast.Raise(exc=ast.Call() as call):
                self.raised.append(call)
            case ast.Assign() | ast.AnnAssign():
                for target, value in targets(node):
                    if isinstance(target, ast.Attribute):
                        self.attributes[target.attr.strip("_")].append(value)

    def constant(self, name: str, at: ast.expr) -> list[ast.expr]:
        """What the constant of this name is, of its own file if it is there."""
        found = self.constants.get(name, [])
        return [each for each in found if self.paths[each] == self.paths[at]] or found

    def package(self, node: ast.AST) -> str:
        return self.paths[node].partition("/")[0]

    def leaves(self, name: str) -> set[str]:
        """The class `name` and all that are made from it."""
        found, waiting = {name}, [name]
        while waiting:
            base = waiting.pop()
            made = {each for each, all_ in self.classes.items() for one in all_ if base in map(name_of, one.bases)}
            waiting += made - found
            found |= made
        return found

    def fields(self, name: str) -> Iterator[list[str]]:
        """The fields of each dataclass of that name, in order."""
        for each in self.classes.get(name, ()):
            yield [s.target.id for s in each.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]


def name_of(node: ast.AST) -> str:
    """`c` of `c` and of `a.b.c`; empty for what has no name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def targets(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is assigned to what; tuples member by member where both sides are written out."""
    match node:
        case ast.Assign(targets=given, value=value):
            for target in given:
                yield from _pairs(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.AugAssign(target=target, value=value):
            yield target, value


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if not isinstance(target, ast.Tuple):
        yield target, value
    elif isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, other in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, other)
    else:
        for one in target.elts:
            yield one, value


def _bound(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """The names that are given a value by the statements themselves."""
    for statement in body:
        for target, value in targets(statement):
            if isinstance(target, ast.Name):
                yield target.id, value


def _imported(root: Path, module: str) -> list[Path]:
    """The files of the module and of all that it imports from its own package."""
    package = module.partition(".")[0]
    found, waiting = {module}, [module]
    while waiting:
        tree = ast.parse((root / f"{waiting.pop().replace('.', '/')}.py").read_text("utf-8"))
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        more = {name for name in names if name.startswith(f"{package}.")} - found
        found |= more
        waiting += more
    return sorted(root / f"{name.replace('.', '/')}.py" for name in found)
