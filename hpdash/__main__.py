"""The `hpdash` command, also run by `python -m hpdash`."""

import gc


def main() -> None:
    """Run the command line.

    It is imported here and not at the top, because every spawned process imports this module first.
    Garbage collection is off: in short commands it takes up to a tenth of the time and frees next to nothing.
    """
    gc.disable()
    from .cli import main as group  # noqa: PLC0415

    group()


if __name__ == "__main__":
    main()
