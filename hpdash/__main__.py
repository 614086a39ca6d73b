"""The `hpdash` command, also run by `python -m hpdash`."""

import gc


def main() -> None:
    """Run the command line.

    The package `cli` is imported here and not at the top, because every spawned process imports this module first.
    The garbage collector is off: in short commands it takes up to a tenth of the time and frees almost nothing.
    """
    gc.disable()
    from .cli import main as group  # noqa: PLC0415

    group()


if __name__ == "__main__":
    main()
