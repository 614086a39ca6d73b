"""`hpdash`, also as `python -m hpdash`."""


def main() -> None:
    """Run the command line, imported only now: every process that is spawned imports this module first."""
    from .cli import main as group  # noqa: PLC0415

    group()


if __name__ == "__main__":
    main()
