"""Who hears everything that functions say of their progress."""

from mmasc.progress import Progress


class Listener(Progress):
    """Everything that is said, in order, and what was advanced in each phase."""

    def __init__(self) -> None:
        self.said: list[tuple] = []
        self.amounts: dict[str, float] = {}
        self._open: list[tuple[int, str]] = []

    @property
    def phases(self) -> list[tuple[str, float | None, str]]:
        """Name, total and unit of the phases, in order."""
        return [one[1:] for one in self.said if one[0] == "begin"]

    @property
    def notes(self) -> list[str]:
        """What was in hand, in order."""
        return [one[1] for one in self.said if one[0] == "note"]

    def begin(self, name: str, total: float | None, unit: str) -> int:
        self.said.append(("begin", name, total, unit))
        self._open.append((len(self.said), name))
        return len(self.said)

    def end(self, number: int) -> None:
        numbers = [one for one, _ in self._open]
        if number in numbers:
            self.said.append(("end", self.said[number - 1][1]))
            del self._open[numbers.index(number) :]

    def advance(self, n: float = 1.0) -> None:
        self.said.append(("advance", n))
        if self._open:
            name = self._open[-1][1]
            self.amounts[name] = self.amounts.get(name, 0.0) + n

    def note(self, text: str) -> None:
        self.said.append(("note", text))

    def remark(self, text: str) -> None:
        self.said.append(("remark", text))
