"""The directives `exported-classes` and `package-modules`: the API reference, from the docstrings."""

import pkgutil
import re
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import rnnnlp
from rnnnlp.training.estimator import Estimator


class ExportedClasses(SphinxDirective):
    """A section for each class that `rnnnlp/__init__.py` exports; the exceptions come last, without methods."""

    def run(self) -> list[nodes.Node]:
        lines, of_exceptions = [], []
        for name in rnnnlp.__all__:
            exported = getattr(rnnnlp, name)
            if isinstance(exported, type) and issubclass(exported, Exception):
                of_exceptions += [name, "-" * len(name), "", f".. autoexception:: rnnnlp.{name}", ""]
            elif isinstance(exported, type):
                lines += [name, "-" * len(name), "", f".. autoclass:: rnnnlp.{name}", "   :members:"]
                lines += ["   :inherited-members: object", ""]
        return self.parse_text_to_nodes("\n".join(lines + of_exceptions), allow_section_headings=True)


class PackageModules(SphinxDirective):
    """A section for a package and each of its modules, without what their names begin with _ for."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        package = import_module(self.arguments[0])
        names = [package.__name__, *(info.name for info in modules(package) if not info.ispkg)]
        lines = []
        for name in names:
            lines += [f"``{name}``", "-" * (len(name) + 4), "", f".. automodule:: {name}", "   :members:"]
            lines += ["   :ignore-module-all:", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def modules(package: Any) -> list[pkgutil.ModuleInfo]:
    found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    return [info for info in found if not info.name.rpartition(".")[2].startswith("_")]


def short_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """An estimator has dozens of options, which are those of its command."""
    return ("(**options)", "") if isinstance(obj, type) and issubclass(obj, Estimator) else None


def escape_options(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The options in the docstring of an estimator are not reStructuredText, in which `from_` would be a link."""
    if isinstance(obj, type) and issubclass(obj, Estimator):
        lines[:] = [re.sub(r"^(\s+\w+)_:", r"\1\_:", line.replace("\\", r"\\")) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-signature", short_signature)
    app.connect("autodoc-process-docstring", escape_options, priority=400)  # before napoleon writes fields
    app.add_directive("exported-classes", ExportedClasses)
    app.add_directive("package-modules", PackageModules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
