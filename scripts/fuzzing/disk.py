"""What is on a disk after a power cut: the changes that a program made, without some that were not synced.

`stand_ins/recorder.c` notes the changes. A `Disk` takes them one after the other. At any moment it can make a state
that the disk may have if the power goes off then:

- A file has what it had at its last sync, or what was written since: in whole, cut off, or with zeros in its place.
- An entry of a folder (a file that was made, renamed or removed) is as at the last sync of the folder, or as after any
  of the changes since. The changes of one folder come in their order.
- In half of the states, all folders share one journal, as on ext4: whatever is synced, all changes of folders before
  that are on the disk, too. In the other half, only the sync of a folder puts its entries on the disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np


class File:
    """A file: its content now, what is certainly on the disk, and from where on that differs."""

    def __init__(self, content: bytes = b"", *, durable: bool = False):
        self.content = bytearray(content)
        self.synced, self.changed_from = (bytes(content), len(content)) if durable else (b"", 0)

    def write(self, at: int, data: bytes) -> None:
        self.changed_from = min(self.changed_from, at, len(self.content))
        if len(self.content) < at:
            self.content.extend(bytes(at - len(self.content)))
        self.content[at : at + len(data)] = data

    def truncate(self, length: int) -> None:
        self.write(length, b"")
        del self.content[length:]

    def sync(self) -> None:
        self.synced, self.changed_from = bytes(self.content), len(self.content)

    def after_cut(self, rng: np.random.Generator) -> bytes:
        """The content that the disk may have."""
        content = bytes(self.content)
        if content == self.synced:
            return content
        kept = int(rng.integers(self.changed_from, len(content) + 1))
        zeros = bytes(len(content) - kept)  # the length is right, but blocks were not written
        return (content, self.synced, content[:kept], content[:kept] + zeros)[int(rng.integers(4))]


@dataclass
class Folder:
    """A folder: the entries that are certainly on the disk, and the changes since.

    Attributes:
        entries: The entries now.
        synced: The entries at the last sync.
        pending: Changes since, each with its number among all: sets of entries, where None means removed.
    """

    entries: dict[str, Any] = field(default_factory=dict)
    synced: dict[str, Any] = field(default_factory=dict)
    pending: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def change(self, number: int, entries: dict[str, Any]) -> None:
        self.pending.append((number, entries))
        apply(self.entries, entries)

    def sync(self, until: int) -> None:
        """Puts the changes up to this number on the disk."""
        while self.pending and self.pending[0][0] <= until:
            apply(self.synced, self.pending.pop(0)[1])


def apply(entries: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, node in changes.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


class Disk:
    """A disk with one folder.

    Args:
        root: That folder, as it is before the changes. It is on the disk.
    """

    def __init__(self, root: Path):
        self.root = root
        self.files: dict[str, File] = {}  # by inode
        self.top = self._taken(root)
        self.number = 0  # of the last change of a folder
        self.committed = 0  # the changes up to this one are on a disk with a journal

    def _taken(self, path: Path) -> Any:
        if path.is_dir():
            entries = {entry.name: self._taken(entry) for entry in path.iterdir()}
            return Folder(dict(entries), dict(entries))
        file = self.files[str(path.stat().st_ino)] = File(path.read_bytes(), durable=True)
        return file

    def folder(self, path: str) -> tuple[Folder, str]:
        """The folder that has the entry, and its name there."""
        parts = PurePosixPath(path).relative_to(self.root).parts
        node = self.top
        for part in parts[:-1]:
            node = node.entries[part]
        return node, parts[-1] if parts else ""

    def node(self, path: str) -> Any:
        folder, name = self.folder(path)
        return folder.entries[name] if name else folder

    def _change(self, *changes: tuple[str, Any]) -> None:
        """New nodes at some paths, in one step; those in the same folder are one change."""
        self.number += 1
        together: dict[int, tuple[Folder, dict[str, Any]]] = {}
        for path, node in changes:
            folder, name = self.folder(path)
            together.setdefault(id(folder), (folder, {}))[1][name] = node
        for folder, entries in together.values():
            folder.change(self.number, entries)

    def apply(self, kind: str, fields: list[str], data: bytes) -> None:
        """Makes a change that the recorder noted."""
        match kind:
            case "create":
                file = self.files[fields[1]] = File()
                self._change((fields[0], file))
            case "mkdir":
                self._change((fields[0], Folder()))
            case "remove":
                self._change((fields[0], None))
            case "rename":
                self._change((fields[0], None), (fields[1], self.node(fields[0])))
            case "exchange":
                self._change((fields[0], self.node(fields[1])), (fields[1], self.node(fields[0])))
            case "link":
                self._change((fields[1], self.node(fields[0])))
            case "write":
                self.files[fields[0]].write(int(fields[1]), data)
            case "truncate":
                self.files[fields[0]].truncate(int(fields[1]))
            case "sync":
                self.files[fields[0]].sync()
                self.committed = self.number
            case "syncfolder":
                self.node(fields[0]).sync(self.number)
                self.committed = self.number

    def write_state(self, rng: np.random.Generator, to: Path, *, cut: bool = True) -> None:
        """Writes a state that the disk may have after a power cut into a new folder; without a cut, the present one."""
        journal = bool(rng.random() < 0.5)
        until = int(rng.integers(self.committed, self.number + 1))
        contents: dict[int, bytes] = {}  # a file that has two names has one content

        def write(node: Any, path: Path) -> None:
            if isinstance(node, File):
                if id(node) not in contents:
                    contents[id(node)] = node.after_cut(rng) if cut else bytes(node.content)
                path.write_bytes(contents[id(node)])
                return
            path.mkdir()
            entries = dict(node.synced)
            if not journal:
                kept = node.pending[: int(rng.integers(len(node.pending) + 1))]
            else:
                kept = [change for change in node.pending if change[0] <= until]
            for _, changes in kept:
                apply(entries, changes)
            for name, child in (entries if cut else node.entries).items():
                write(child, path / name)

        write(self.top, to)


def recorded(log: Path) -> Iterator[tuple[str, list[str], bytes]]:
    """The records of `stand_ins/recorder.c`: kind, fields, and the bytes of a write."""
    content = log.read_bytes()
    at = 0
    while at < len(content):
        end = content.index(b"\n", at)
        kind, *fields = content[at:end].decode().split("\t")
        at = end + 1
        length = int(fields[2]) if kind == "write" else 0
        yield kind, fields, content[at : at + length]
        at += length
