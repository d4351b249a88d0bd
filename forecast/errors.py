"""The exception that stands for a user's mistake, and the one that ends the program where a signal asks for it."""

import re

_LONG_WORD = re.compile(r"(\S{200})\S{300,}")


class ForecastError(Exception):
    """Something the user can mend, said in one line: what, expected, found, and the remedy.

    The command prints the line and leaves with exit status 2; from Python it is an ordinary exception.
    Anything else that is raised is a fault of ours and keeps its traceback. Of a word of more than 500 characters,
    which nobody reads, its beginning is shown: a value out of a file can be as long as the file.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_LONG_WORD.sub(r"\1...", message))

    @property
    def line(self) -> str:
        """The message without line ends, which names out of a file may have."""
        return " ".join(str(self).split("\n"))


class Stopped(BaseException):
    """A signal asked the program to end; what can be kept is kept on the way out.

    Attributes
    ----------
    signal_number : the command's exit status is 128 more

    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def raise_stopped(number: int, _: object) -> None:
    """Raise `Stopped`: what the command makes of a signal."""
    raise Stopped(number)
