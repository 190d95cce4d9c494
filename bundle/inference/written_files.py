"""The list of files that a run ends with."""

from ignite.engine import Engine, Events


class WrittenFiles:
    """Handler that collects what was written, to name it at the end."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Take the paths of one batch."""
        for output in engine.state.output:
            self.paths.extend(output["written"])

    def report(self) -> None:
        """Print the files, one per line."""
        print("\n".join(["Written:", *(f"  {path}" for path in self.paths)]))
