"""The messages of `UserError` in the source, as templates in which the values are left open.

A row of a table of mistakes has a part of a message. `template_of` finds the template to which it belongs, so the rows
can be compared with the source without running them.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import rnnnlp
from rnnnlp.errors import dashed

PACKAGE = Path(rnnnlp.__file__).parent
WRAPPER = "{}: {}"  # puts a place before another message
NAMED = ("option", "dashed")  # calls that give the name of an option
ENOUGH = 7  # characters in a row that a message and its template must share
CANDIDATES = 30  # templates that are compared with a row character by character
GAP = " ... "  # in a row: anything

Segment = str | None  # text, or a value


@dataclass(frozen=True)
class Template:
    """A message: its texts, and None for each value between them."""

    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        return "".join("{}" if segment is None else segment for segment in self.segments)

    @property
    def literal(self) -> int:
        """The number of characters that each such message has."""
        return sum(len(segment) for segment in self.segments if segment is not None)

    def makes(self, line: str) -> bool:
        """Whether a message may be made from this template; another may add a place before it and a remedy after it."""
        pattern = "".join(".*" if segment is None else re.escape(segment) for segment in self.segments)
        return re.fullmatch(f"(.*: )?{pattern}([,;] .*)?", line, re.DOTALL) is not None

    def shared(self, part: str) -> int:
        """The number of characters of `part` that are text of this template; 0 if no such message has that part."""
        # Each position is a segment and the number of its characters that were read; the part may begin at any of them.
        scores = {(k, i): 0 for k, segment in enumerate(self.segments) for i in range(len(segment or " "))}
        for c in part:
            after: dict[tuple[int, int], int] = {}
            for (k, i), score in scores.items():
                segment = self.segments[k] if k < len(self.segments) else ""
                if segment is None:  # a value takes any character
                    self._reach(after, k, 0, score)
                elif segment[i : i + 1] == c:
                    self._reach(after, k, i + 1, score + 1)
            scores = after
        return max(scores.values(), default=0)

    def _reach(self, scores: dict[tuple[int, int], int], k: int, i: int, score: int) -> None:
        if k < len(self.segments) and self.segments[k] is not None and i == len(self.segments[k] or ""):
            k, i = k + 1, 0
        scores[k, i] = max(score, scores.get((k, i), 0))
        if k < len(self.segments) and self.segments[k] is None:  # a value may end here
            self._reach(scores, k + 1, 0, score)


@dataclass(frozen=True)
class Site:
    """A place in the package that raises an error with a message."""

    path: str
    template: Template


@cache
def sites() -> tuple[Site, ...]:
    """Every `raise` of an error of the user in the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for call in raised(path):
            template = Template(joined(segments_of(call.args[0])))
            if str(template) != WRAPPER:
                found.append(Site(path.relative_to(PACKAGE).as_posix(), template))
    return tuple(found)


def raised(path: Path) -> Iterator[ast.Call]:
    """The calls in a file that make an error of the user."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors():
            yield node


@cache
def errors() -> set[str]:
    """The names of `UserError` and of the classes that derive from it."""
    classes = [
        node for path in PACKAGE.rglob("*.py") for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)
    ]
    found = {"UserError"}
    while more := {node.name for node in classes if found & set(map(ast.unparse, node.bases))} - found:
        found |= more
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def segments_of(node: ast.expr) -> Iterator[Segment]:
    """The texts and values of an expression that makes a message."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from segments_of(value)
    elif isinstance(node, ast.FormattedValue):
        yield from segments_of(node.value) if isinstance(node.value, ast.Call) else [None]
    elif isinstance(node, ast.BinOp):
        yield from segments_of(node.left)
        yield from segments_of(node.right)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMED:
        name = node.args[0]
        yield dashed(name.value) if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
    else:
        yield None


def joined(segments: Iterator[Segment]) -> tuple[Segment, ...]:
    """The same segments, neighbours joined."""
    found: list[Segment] = []
    for segment in segments:
        if found and (segment is None) == (found[-1] is None):
            found[-1] = None if segment is None else f"{found[-1]}{segment}"
        else:
            found.append(segment)
    return tuple(found)


@cache
def by_shingle() -> dict[str, set[Template]]:
    """The templates that have each string of ENOUGH characters."""
    found: dict[str, set[Template]] = {}
    for template in {site.template for site in sites()}:
        for segment in filter(None, template.segments):
            for i in range(len(segment) - ENOUGH + 1):
                found.setdefault(segment[i : i + ENOUGH], set()).add(template)
    return found


@cache
def template_of(row: str) -> Template | None:
    """The template of which most is in a row, whose parts stand on both sides of GAP."""
    parts = row.split(GAP)
    shingles = {part[i : i + ENOUGH] for part in parts for i in range(len(part) - ENOUGH + 1)}
    common = Counter(template for shingle in shingles for template in by_shingle().get(shingle, ()))
    candidates = sorted(common, key=lambda template: (-common[template], template.literal, str(template)))[:CANDIDATES]
    scores = {template: sum(map(template.shared, parts)) for template in candidates}
    return max(scores, key=lambda template: (scores[template], -template.literal, str(template)), default=None)


def without_row(rows: Iterable[str]) -> list[str]:
    """The messages to which fewer rows belong than there are places that raise them."""
    left = Counter(map(template_of, rows))
    missing = []
    for site in sites():
        if left[site.template]:
            left[site.template] -= 1
        else:
            missing.append(f"{site.path}: {site.template}")
    return missing
