"""`hpdash`, also as `python -m hpdash`."""

import gc


def main() -> None:
    """Run the command line, imported only now: every process that is spawned imports this module first.

    Commands that soon end do without collections of garbage, which take a tenth of their time and find next to none.
    """
    gc.disable()
    from .cli import main as group  # noqa: PLC0415

    group()


if __name__ == "__main__":
    main()
