"""Server-Sent Events, split into lines and frames. Pure; comments are kept, because Alpaca says things in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LARGEST_FRAME: Final = 1024 * 1024  # bytes


class FrameTooLarge(ValueError):
    """A line or frame beyond what we keep: the stream is not what we think it is."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that began with a colon, without it and trimmed."""

    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """An event: its `data` lines joined by newlines, and its `id` field if there was one."""

    data: bytes
    id: str | None


class Parser:
    """Takes bytes as they come, gives comments and frames as they are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._id: str | None = None
        self._after_return = False

    def feed(self, chunk: bytes) -> Iterator[Comment | Frame]:
        """Everything that this chunk completes, in order. Raises: FrameTooLarge."""
        if self._after_return and chunk.startswith(b"\n"):  # a line's end, cut in two by the network
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        text = self._rest + chunk
        *lines, self._rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            found = self._line(line)
            if found is not None:
                yield found
        if len(self._rest) + self._size > LARGEST_FRAME:
            raise FrameTooLarge("a frame is too large")

    def _line(self, line: bytes) -> Comment | Frame | None:
        if not line:
            return self._finish()
        if line.startswith(b":"):
            return Comment(line[1:].decode("utf-8", "replace").strip())
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
            if self._size > LARGEST_FRAME:
                raise FrameTooLarge("a frame is too large")
        elif name == b"id":
            self._id = value.decode("utf-8", "replace")
        return None

    def _finish(self) -> Frame | None:
        data, self._data, self._size = self._data, [], 0
        return Frame(b"\n".join(data), self._id) if data else None
