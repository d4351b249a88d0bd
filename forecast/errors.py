"""The one exception that stands for a user's mistake."""


class ForecastError(Exception):
    """Something the user can mend, said in one line: what, expected, found, and the remedy.

    The command prints the line and leaves with exit status 2; from Python it is an ordinary exception.
    Anything else that is raised is a fault of ours and keeps its traceback.
    """
