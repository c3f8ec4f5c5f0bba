"""The one exception that a user's mistake or machine can cause, told in one line."""

from __future__ import annotations


class UserError(Exception):
    """A problem that the person at the keyboard can mend.

    Parameters
    ----------
    problem:
        What is wrong, naming the thing.
    place:
        Where: a file with its line, a setting's key, a directory.
    expected:
        What would have been right.
    remedy:
        What to do now.
    """

    def __init__(
        self,
        problem: str,
        *,
        place: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.place = place
        self.expected = expected
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [f"{self.place}: {self.problem}" if self.place else self.problem]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.remedy:
            parts.append(f"to mend it: {self.remedy}")
        return "; ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.problem, self.place, self.expected, self.remedy)


def _rebuild(
    problem: str, place: str | None, expected: str | None, remedy: str | None
) -> UserError:
    return UserError(problem, place=place, expected=expected, remedy=remedy)
