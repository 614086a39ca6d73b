"""`hpdash`, also as `python -m hpdash`."""

import gc


def main() -> None:
    """Run the command line, imported only now: every process that is spawned imports this module first.

    Commands that soon end do without collections of garbage: up to a tenth of their time, for next to nothing found.
    """
    gc.disable()
    from .cli import main as group  # noqa: PLC0415

    group()


if __name__ == "__main__":
    main()
