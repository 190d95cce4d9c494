"""Does a synthetic second view help a classifier? ``python -m scripts.usefulness --prepared DIR --run DIR``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import fire
import torch

from bundle.atomic import replacing
from bundle.collection.files import write_json
from bundle.stopping import ending_with_a_sentence
from bundle.usefulness.breasts import load_breasts, unseen_pairs
from bundle.usefulness.generator import read_generator
from bundle.usefulness.study import StudySettings, run_study, study_document, study_table, verdict
from bundle.vocabulary import Direction
from scripts.arguments import path, positive_number, refuse_unexpected, whole_number

INFERENCE = Path(__file__).parents[1] / "configs" / "inference.json"


def usefulness(
    *unknown_values: object,
    prepared: str = "",
    run: str = "",
    trained_on: str = "",
    output: str = "",
    folds: int = StudySettings.folds,
    networks: int = StudySettings.networks,
    epochs: int = StudySettings.epochs,
    batch_size: int = StudySettings.batch_size,
    learning_rate: float = StudySettings.learning_rate,
    resamples: int = StudySettings.resamples,
    seed: int = 0,
    **unknown_options: object,
) -> None:
    """Train a small classifier (lesion or none) on one view, the view twice, view and synthetic view, the real pair.

    Only patients whom the generator has not learned from take part. It gets no lesion mask and no radiomic vector.
    Writes ``usefulness.md`` and ``usefulness.json``.

    Args:
        *unknown_values: refused.
        prepared: collection with breasts to classify, with and without lesions.
        run: folder of the generator's training run.
        trained_on: the collection that the run was trained on; by default the same as ``prepared``.
        output: folder to write to; by default ``usefulness`` in the run's folder.
        folds: of the cross-validation over patients.
        networks: classifiers per fold and kind of input, whose scores are averaged.
        epochs: of each classifier.
        batch_size: breasts per step.
        learning_rate: of each classifier.
        resamples: draws of the bootstrap over patients.
        seed: of folds, classifiers and draws.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.usefulness")
    settings = StudySettings(
        folds=whole_number(folds, name="folds"),
        networks=whole_number(networks, name="networks"),
        epochs=whole_number(epochs, name="epochs"),
        batch_size=whole_number(batch_size, name="batch_size"),
        learning_rate=positive_number(learning_rate, name="learning_rate"),
        resamples=whole_number(resamples, name="resamples"),
        seed=whole_number(seed, name="seed"),
    )
    collection, run_folder = path(prepared, name="prepared"), path(run, name="run")
    learned = path(trained_on, name="trained_on") if trained_on != "" else collection
    folder = path(output, name="output") if output != "" else run_folder / "usefulness"
    generator = read_generator(run_folder, config=INFERENCE, trained_on=learned)
    pairs = unseen_pairs(collection, trained_on=learned)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    load = partial(
        load_breasts,
        pairs,
        prepared=collection,
        generator=generator.network.to(device),
        canvas=generator.canvas,
        device=device,
    )
    results = run_study(lambda direction: load(direction=direction), settings=settings, device=device)
    first = results[Direction.CC_TO_MLO]
    counts = (
        f"{first.breasts} breasts ({first.with_lesion} with a lesion) of {first.patients} patients whom the generator "
        f"has not learned from; {settings.folds} folds."
    )
    verdicts = [f"Only the {each.source} at hand: {verdict(results[each].differences)}" for each in results]
    text = "\n\n".join([counts, study_table(results), *verdicts]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "usefulness.json", study_document(results, settings=settings))
    with replacing(folder / "usefulness.md") as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print(f"{text}\nWrote usefulness.md and usefulness.json to {folder}.")


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("usefulness"):
        fire.Fire(usefulness, name="python -m scripts.usefulness")


if __name__ == "__main__":
    main()
