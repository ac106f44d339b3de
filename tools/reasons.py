"""What an agent can say in its own words, as templates with blanks: `no answer in {reply_s} s`.

A reason reaches the controller as the field `detail` or `reason` of something that travels (contract). From there each
text is followed back to where it is written: through variables, parameters, fields, tables, what functions return, and
the errors that a handler caught. Nobody keeps a list, so that no new message can be forgotten.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeAlias

from tools.agent_sources import Sources, name_of, targets

SINKS = ("detail", "reason")
"""The fields of the contract's dataclasses that hold what an agent says."""
CARRIERS = frozenset({*SINKS, "why", "fault", "text"})
"""What a field is called that holds such a text on its way there. No other field is followed."""
MOST_VARIANTS = 16
"""More ways to write one f-string than this are not told apart."""
_GIVES_A_TEXT = {*dir(str), "decode", "get"}
"""What is called of a text, or of a table of texts, and gives a text."""
_PASSES_ON = frozenset({"str", "min", "next", "iter", "tuple", "sorted"})
_HEAD = re.compile(r"^(?:(?:[\w.\[\]{}]+|\{\w+\}(?: \{\w+\})*): )+")
"""Where something is: an endpoint, the name of a key. It is cut off, and the reader of a text cuts it off, too."""
_PLACE = re.compile(r"\{\w+\}")
_WORD = re.compile(r"[^\W\d_]{2,}")

Parts: TypeAlias = tuple[str | ast.expr, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """`text` has a `{name}` for each blank; `path` is the file in which it is written."""

    text: str
    path: str


class Follower:
    """Follows what is said to where it is written. `templates` collects, one for each wording: blanks do not count."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._seen: set[object] = set()
        self._waiting: list[ast.expr] = []
        self.templates: dict[str, Template] = {}

    def follow(self, name: str) -> None:
        """Whatever a field of this name is given."""
        self._field(name)
        while self._waiting:
            self._said(self._waiting.pop())

    def _later(self, values: Iterable[ast.expr]) -> None:
        for value in values:
            if value not in self._seen:
                self._seen.add(value)
                self._waiting.append(value)

    def _once(self, *key: object) -> bool:
        known = key in self._seen
        self._seen.add(key)
        return not known

    def _said(self, value: ast.expr) -> None:
        for parts in variants(value):
            text = _HEAD.sub("", template(parts))
            if is_phrase(text):
                self._write(Template(text, self._sources.paths[value]))
        self._later(made_of(value))
        match value:
            case ast.Name(id=name):
                self._variable(name, value)
            case ast.Attribute(attr=name):
                self._field(name)
            case ast.Call():
                self._call(value)

    def _write(self, found: Template) -> None:
        known = self.templates.setdefault(_PLACE.sub("{}", found.text), found)
        if (found.text, found.path) < (known.text, known.path):
            self.templates[_PLACE.sub("{}", found.text)] = found

    def _variable(self, name: str, at: ast.expr) -> None:
        function = self._sources.within.get(at)
        known = [self._made(node, name, function) for node in ast.walk(function)] if function is not None else []
        if not any(known):
            self._later(self._sources.constant(name, at))

    def _made(self, node: ast.AST, name: str, function: ast.FunctionDef) -> bool:
        """Whether the name is given its value here, which is followed then."""
        values: list[ast.expr] = []
        match node:
            case ast.arg(arg=given, annotation=annotation) if given == name:
                self._parameter(function, name, annotation)
                return True
            case ast.ExceptHandler(name=caught, type=ast.expr() as kind) if caught == name:
                self._caught(kind.elts if isinstance(kind, ast.Tuple) else [kind])
                return True
            case ast.MatchClass(cls=kind, patterns=patterns):
                self._captured(name_of(kind), patterns, name)
            case ast.For(target=target, iter=source) | ast.comprehension(target=target, iter=source):
                values = [source] if any(name_of(each) == name for each in ast.walk(target)) else []
            case _:
                values = [value for target, value in targets(node) if name_of(target) == name]
        self._later(values)
        return bool(values)

    def _captured(self, kind: str, patterns: list[ast.pattern], name: str) -> None:
        for fields in self._sources.fields(kind):
            for of, pattern in zip(fields, patterns, strict=False):
                if isinstance(pattern, ast.MatchAs) and pattern.name == name:
                    self._field(of)

    def _parameter(self, function: ast.FunctionDef, name: str, annotation: ast.expr | None) -> None:
        if not is_text(annotation) or not self._once(function, name):
            return
        names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        if names[:1] in (["self"], ["cls"]):
            del names[0]
        for call in self._sources.calls.get(function.name, ()):
            if self._sources.package(call) == self._sources.package(function):
                self._given(call, names, name)
        defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        self._later([defaults[name]] if name in defaults else [])

    def _given(self, call: ast.Call, names: list[str], name: str) -> None:
        self._later(keyword.value for keyword in call.keywords if keyword.arg == name)
        if name in names and len(call.args) > names.index(name):
            self._later((call.args[names.index(name)],))

    def _field(self, name: str) -> None:
        name = name.strip("_")
        if name not in CARRIERS or not self._once("field", name):
            return
        self._later(self._sources.attributes.get(name, ()))
        for kind in self._sources.classes:
            for fields in self._sources.fields(kind):
                for call in self._sources.calls.get(kind, ()) if name in fields else ():
                    self._given(call, fields, name)
        for call in self._sources.calls.get("replace", ()):
            self._given(call, [], name)
        self._returned(name)

    def _caught(self, kinds: list[ast.expr]) -> None:
        """Whatever any error of these classes was made with. A class in a variable may be any of them."""
        sources = self._sources
        for leaf in {leaf for kind in kinds for leaf in sources.leaves(name_of(kind)) if leaf[:1].isupper()}:
            if self._once("error", leaf):
                made = sources.calls.get(leaf, ())
                self._later(_english(arg, sources.package(call)) for call in made for arg in call.args)
        for call in sources.raised:
            name = name_of(call.func)
            if not name[:1].isupper() and name not in sources.functions:
                self._later(call.args)

    def _call(self, call: ast.Call) -> None:
        name = name_of(call.func)
        if name == "str":
            self._returned("__str__")
        elif name not in _PASSES_ON | _GIVES_A_TEXT | self._sources.classes.keys():
            self._returned(name)

    def _returned(self, name: str) -> None:
        for function in self._sources.functions.get(name, ()):
            if is_text(function.returns) and self._once("returned", function):
                for node in ast.walk(function):
                    if isinstance(node, ast.Return | ast.Yield) and self._sources.within[node] is function:
                        self._later([node.value] if node.value else [])


def _english(said: ast.expr, package: str) -> ast.expr:
    """What an error was made with. Of words in both languages the agent's own errors have the English ones as text."""
    match said:
        case ast.Call(func=ast.Name(id="Words"), args=[english, *_]) if package == "agent":
            return english
    return said


def templates(sources: Sources | None = None) -> list[Template]:
    """Every template of the agent there is, by its text."""
    follower = Follower(sources or Sources.read())
    for name in SINKS:
        follower.follow(name)
    return sorted(follower.templates.values(), key=lambda each: each.text)


def is_phrase(text: str) -> bool:
    """Two words at least, of which one is no blank: a single word is a code or a name."""
    return bool(_WORD.search(_PLACE.sub("", text))) and len(_PLACE.sub("x", text).split()) > 1


def is_text(annotation: ast.expr | None) -> bool:
    """Whether what is declared so is a text, or several."""
    names = {name_of(each) for each in ast.walk(annotation)} if annotation is not None else set()
    return "str" in names and not names & {"dict", "Mapping", "Callable"}


def made_of(value: ast.expr) -> Iterable[ast.expr]:
    """The expressions of which any may be all of the text, or a part of it."""
    match value:
        case ast.JoinedStr(values=values):
            return [part.value for part in values if isinstance(part, ast.FormattedValue)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return left, right
        case ast.IfExp(body=body, orelse=orelse):
            return body, orelse
        case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values) | ast.Dict(values=values):
            return values
        case ast.NamedExpr(value=inner) | ast.Starred(value=inner) | ast.Subscript(value=inner):
            return (inner,)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
            return (inner,)
        case ast.Call(func=func, args=args):
            return _passed_on(func, args)
    return ()


def _passed_on(func: ast.expr, args: list[ast.expr]) -> Iterable[ast.expr]:
    name = name_of(func)
    if name in _PASSES_ON:
        return args[:1]
    if name == "join":
        return args
    if isinstance(func, ast.Attribute) and name in _GIVES_A_TEXT:
        return (func.value, *args[1:]) if name == "get" else (func.value,)
    return ()


def template(parts: Parts) -> str:
    """Blanks are called after what fills them; of one name the second is numbered."""
    used: Counter[str] = Counter()
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        name = _blank(part)
        used[name] += 1
        text += f"{{{name}{used[name] if used[name] > 1 else ''}}}"
    return text


def variants(value: ast.expr) -> Iterator[Parts]:
    """The ways in which a text may come out, with blanks for what is not known; none for what is no text."""
    match value:
        case ast.Constant(value=str(text)):
            yield (text,)
        case ast.JoinedStr(values=values):
            choices = [list(_choices(each)) for each in values]
            if prod(map(len, choices)) > MOST_VARIANTS:
                choices = [
                    [(part,)] if isinstance(part, ast.FormattedValue) else list(variants(part)) for part in values
                ]
            for chosen in product(*choices):
                yield tuple(part for parts in chosen for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            for first, second in product(_choices(left), _choices(right)):
                yield (*first, *second)


def _choices(value: ast.expr) -> Iterator[Parts]:
    """As `variants`, for a part of a text: also a blank."""
    match value:
        case ast.FormattedValue(value=inner):
            yield from _choices(inner)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _choices(body)
            yield from _choices(orelse)
        case ast.BoolOp(op=ast.Or(), values=values):
            for each in values:
                yield from _choices(each)
        case ast.Constant(value=str()) | ast.JoinedStr() | ast.BinOp(op=ast.Add()):
            yield from variants(value)
        case _:
            yield (value,)


def _blank(value: ast.expr) -> str:
    """A name for what fills a blank."""
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.FormattedValue(value=inner):
            return _blank(inner)
        case ast.Call(args=[first, *_]):
            return _blank(first)
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.BinOp(left=inner) | ast.Starred(value=inner):
            return _blank(inner)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
            return _blank(inner)
    return "value"
