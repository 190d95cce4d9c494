"""The phantom cohort: paired views of one 3-D breast, with a truth that no real collection can give."""
