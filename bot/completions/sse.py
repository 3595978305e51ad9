"""Server-sent events: bytes as they arrive from the network -> the data of each whole event.

Knows the line rules of the event stream format (WHATWG HTML, section 9.2, as of 2026) and nothing of what the
data means. UTF-8 may be split anywhere: only whole lines are cut out, and no byte inside a character looks
like a line end.
"""

from bot.errors import Broken

EVENT_MAX_BYTES = 1 << 20
"""The longest event that is kept (chosen: a token's event has some 200 bytes)."""


class Events:
    """Cuts one event stream into the data of its events, fed piece by piece."""

    def __init__(self, *, max_bytes: int = EVENT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the data of each event that this chunk completes; comments and other fields give nothing.

        Raises:
            Broken: an event is longer than `max_bytes`.
        """
        if self._is_one_event(chunk):
            return [chunk[6:-2]]
        chunk = self._with_plain_line_ends(chunk)
        lines, found, rest = chunk.rpartition(b"\n")
        if not found:
            return self._hold(chunk)
        ended = bytes(self._line) + lines
        self._line.clear()
        events = self._dispatch(ended.split(b"\n"))
        self._hold(rest)
        return events

    def end(self) -> list[bytes]:
        """Give what the stream left unfinished: servers forget the last blank line."""
        line = bytes(self._line)
        self._line.clear()
        return self._dispatch([line, b""])

    def _is_one_event(self, chunk: bytes) -> bool:
        # Nearly every chunk of nearly every server: one data line, one blank line.
        return (
            chunk.startswith(b"data: ")
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk.endswith(b"\n\n")
            and not (self._line or self._data or b"\r" in chunk or len(chunk) > self._max_bytes)
        )

    def _with_plain_line_ends(self, chunk: bytes) -> bytes:
        # CR LF may be split between chunks: a CR ends the line at once, a LF that follows it is dropped.
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk

    def _hold(self, rest: bytes) -> list[bytes]:
        self._line += rest
        self._check(len(self._line) + self._data_bytes)
        return []

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise Broken(f"an event is longer than {self._max_bytes} bytes")

    def _dispatch(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for line in lines:
            if line:
                self._keep(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._data_bytes = 0
        return events

    def _keep(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            data = line[6:] if line.startswith(b"data: ") else line[5:]
        elif line.startswith(b"error:"):
            # llama.cpp's server reported errors in a field of this name; nothing else uses it.
            data = b'{"error":' + line[6:] + b"}"
        else:
            return
        self._data.append(data)
        self._data_bytes += len(data)
        self._check(self._data_bytes)
