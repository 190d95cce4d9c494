"""Put a training run's weights where the bundle ships them: ``python -m scripts.release RUN``."""

from __future__ import annotations

import fire

from bundle.networks.weights import write_half_precision
from bundle.stopping import ending_with_a_sentence
from scripts.arguments import path, refuse_unexpected


def release(run: str, *unknown_values: object, output: str = "models/model.pt", **unknown_options: object) -> None:
    """Write the weights of a run in half precision, which is enough for inference and half the size.

    Args:
        run: the training run's folder, with ``model.pt``.
        *unknown_values: refused.
        output: file to write.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.release")
    target = path(output, name="output")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_half_precision(path(run, name="run") / "model.pt", target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("release"):
        fire.Fire(release, name="python -m scripts.release")


if __name__ == "__main__":
    main()
