"""Split bytes into lines, with a bound on what a device can make us keep. Pure."""


class Lines:
    """Collects bytes and gives out lines without their ends. Keeps at most `longest` bytes.

    A line that is longer is dropped whole and counted in `dropped`.
    """

    __slots__ = ("_kept", "_longest", "_skipping", "dropped")

    def __init__(self, longest: int = 4096) -> None:
        self._kept = b""
        self._longest = longest
        self._skipping = False
        self.dropped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes. LF, CR LF and CR all end a line; empty lines are left out."""
        *complete, rest = data.replace(b"\r", b"\n").split(b"\n")
        lines = []
        for piece in complete:
            line = self._join(piece)
            if self._skipping:
                self._skipping = False
            elif line:
                lines.append(line)
            self._kept = b""
        self._kept = self._join(rest)
        return lines

    def _join(self, piece: bytes) -> bytes:
        if not self._skipping and len(self._kept) + len(piece) > self._longest:
            self._skipping = True
            self.dropped += 1
        return b"" if self._skipping else self._kept + piece
