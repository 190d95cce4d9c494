"""Does a synthetic second view help a two-view classifier? The study of `scripts.usefulness`."""
