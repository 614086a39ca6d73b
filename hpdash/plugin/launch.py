"""What hpdash adds when it starts TensorBoard: an option that keeps every step, and up-to-date HParams records."""

from __future__ import annotations

from pathlib import Path

# A number of samples that no series reaches. With 0, TensorBoard keeps all samples too, but its charts stay empty.
KEEP_ALL = "--samples_per_plugin=scalars=1000000,histograms=1000000"


def refresh_records(logdir: Path) -> list[str]:
    """Update TensorBoard's HParams records that are out of date, as after a sweep's folder was copied or moved.

    Returns messages for the user. On a read-only disk, one of them says that nothing was updated.
    """
    try:
        from ..logs.hparams_record import outdated_sweeps, update_records  # noqa: PLC0415  if it is broken, go on

        return update_records(logdir) if outdated_sweeps(logdir) else []
    except Exception as error:  # TensorBoard can start anyway
        return [f"TensorBoard's HParams page may not show every sweep: {error}"]
