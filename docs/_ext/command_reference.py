"""The directive `command-reference`: every command with its options, read from the parsers of the command line."""

import argparse
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rnnnlp.cli.main import COMMANDS, Parser, load_command


class CommandReference(SphinxDirective):
    """A section for each command and subcommand, in the order of `rnnnlp --help`."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        return [section for name in COMMANDS for section in self.sections(parser_of(name))]

    def sections(self, parser: argparse.ArgumentParser) -> list[nodes.Node]:
        """The section of this parser, followed by those of its subcommands."""
        section = nodes.section(ids=[nodes.make_id(parser.prog)])
        section += nodes.title("", "", nodes.literal("", parser.prog))
        if parser.description:
            section += nodes.paragraph("", "", *inline(parser.description))
        below: list[nodes.Node] = []
        for group in parser._action_groups:
            actions = [action for action in group._group_actions if shown(action)]
            if actions:
                section += options(actions)
            for action in group._group_actions:
                if isinstance(action, argparse._SubParsersAction):
                    section += nodes.paragraph("", "One of: " + ", ".join(action.choices))
                    below += [part for child in action.choices.values() for part in self.sections(child)]
        if parser.epilog:
            section += nodes.literal_block(parser.epilog, parser.epilog, language="text")
        return [section, *below]


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command, as `rnnnlp NAME --help` has it."""
    commands = Parser(prog="rnnnlp").add_subparsers()
    text = COMMANDS[name]
    parser = commands.add_parser(name, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    load_command(name, parser)
    return parser


def shown(action: argparse.Action) -> bool:
    hidden = isinstance(action, (argparse._SubParsersAction, argparse._HelpAction))
    return not hidden and action.help != argparse.SUPPRESS


def options(actions: list[argparse.Action]) -> nodes.Node:
    """A list of options: name and value as they are typed, then the help."""
    found = nodes.definition_list(classes=["command-options"])
    for action in actions:
        term = nodes.term()
        for index, text in enumerate(action.option_strings or [usage(action)]):
            term += [nodes.Text(", ")] if index else []
            term += nodes.literal("", text)
        if action.option_strings and action.nargs != 0 and (value := usage(action)):
            term += [nodes.Text(" "), nodes.emphasis("", value)]
        text = (action.help or "") % {**vars(action), "prog": "rnnnlp"} if action.help else ""
        definition = nodes.definition("", nodes.paragraph("", "", *inline(text)))
        found += nodes.definition_list_item("", term, definition)
    return found


def usage(action: argparse.Action) -> str:
    """The value of an option, or the name of an argument, such as N or RUN."""
    if action.metavar is not None:
        return " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def inline(text: str) -> list[nodes.Node]:
    """The words of a help text; those that begin with -- as code."""
    found: list[nodes.Node] = []
    for index, part in enumerate(text.split(" ")):
        found += [nodes.Text(" ")] if index else []
        word = part.rstrip(".,;:)")
        named = word.startswith("--") and len(word) > 2
        found += [nodes.literal("", word), nodes.Text(part[len(word) :])] if named else [nodes.Text(part)]
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
