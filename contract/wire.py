"""JSON to the dataclasses of contract.messages with the standard library alone: what the agent decodes with."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from contract.messages import MAX_PAYLOAD
from contract.model import ContractError

T = TypeVar("T")
_MAX_DEPTH = 32


def decode(kind: type[T], payload: bytes) -> T:
    """Read one message. Unknown members are ignored. Raises ContractError, saying where, for all that does not fit."""
    if len(payload) > MAX_PAYLOAD:
        raise ContractError(f"payload: {len(payload)} bytes, at most {MAX_PAYLOAD} are taken")
    try:
        tree = json.loads(payload.decode(), parse_constant=_refuse_constant)
        if b"\\u" in payload:  # the only way to half of a surrogate pair
            json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ContractError("payload: half of a surrogate pair") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ContractError(f"payload: not JSON in UTF-8 ({error})") from None
    except ValueError as error:  # NaN, or an integer of more digits than Python reads
        raise ContractError(f"payload: {error}") from None
    except RecursionError:
        raise ContractError("payload: nested too deep") from None
    result: T = _build(kind, tree, "", 0)
    return result


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, tree: Any, where: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ContractError(f"{where}: nested too deep")
    if is_dataclass(kind):
        return _record(kind, tree, where, depth)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _scalar(get_args(kind), tree, where)
    if origin is tuple:
        return _tuple(get_args(kind), tree, where, depth)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(tree, dict):
            raise ContractError(f"{where}: not an object")
        inner = get_args(kind)[1]
        return {key: _build(inner, value, f"{where}.{key}", depth + 1) for key, value in tree.items()}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(tree)
        except ValueError:
            raise ContractError(f"{where}: {str(tree)[:40]!r} is none of {', '.join(kind)}") from None
    return _scalar((kind,), tree, where)


def _record(kind: Any, tree: Any, where: str, depth: int) -> Any:
    if not isinstance(tree, dict):
        raise ContractError(f"{where or 'payload'}: not an object")
    given: dict[str, Any] = {}
    hints = _hints(kind)
    for each in fields(kind):
        if each.name in tree:
            given[each.name] = _build(hints[each.name], tree[each.name], f"{where}.{each.name}".lstrip("."), depth + 1)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ContractError(f"{where}.{each.name}: missing".lstrip("."))
    return kind(**given)


def _tuple(inner: tuple[Any, ...], tree: Any, where: str, depth: int) -> tuple[Any, ...]:
    if not isinstance(tree, list):
        raise ContractError(f"{where}: not an array")
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_build(inner[0], each, f"{where}[{i}]", depth + 1) for i, each in enumerate(tree))
    if len(tree) != len(inner):
        raise ContractError(f"{where}: {len(tree)} members, not {len(inner)}")
    return tuple(
        _build(kind, each, f"{where}[{i}]", depth + 1) for i, (kind, each) in enumerate(zip(inner, tree, strict=True))
    )


def _scalar(allowed: tuple[Any, ...], tree: Any, where: str) -> Any:
    kind = type(tree)
    if kind in allowed:
        if kind is float and not -1.8e308 < tree < 1.8e308:
            raise ContractError(f"{where}: not a finite number")
        return tree
    if kind is int and float in allowed:
        return float(tree)
    names = ", ".join("null" if each is types.NoneType else each.__name__ for each in allowed)
    raise ContractError(f"{where}: {kind.__name__} came where {names} is wanted")
