"""Show a prepared collection on one page: ``python -m scripts.inspect --prepared DIR``."""

from __future__ import annotations

import fire

from bundle.report.contact_sheet import write_contact_sheet
from bundle.stopping import ending_with_a_sentence
from scripts.arguments import path, refuse_unexpected


def inspect(*unknown_values: object, prepared: str, output: str | None = None, **unknown_options: object) -> None:
    """Write a contact sheet: all pairs with breast outline, lesion outlines, chest wall and flags, as PNG and HTML.

    Args:
        *unknown_values: refused.
        prepared: folder that scripts.prepare wrote.
        output: folder for the contact sheet; contact_sheet in the prepared folder by default.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.inspect")
    folder = path(prepared, name="prepared")
    target = folder / "contact_sheet" if output is None else path(output, name="output")
    sheet = write_contact_sheet(folder, target)
    unreadable = f"; {sheet.unreadable} views cannot be read" if sheet.unreadable else ""
    print(f"{sheet.pairs} pairs, {sheet.flagged} with flags{unreadable}: {sheet.page}")
    print(f"{len(sheet.pictures)} picture(s): {', '.join(map(str, sheet.pictures[:3]))}")


def main() -> None:
    """Run the command; a wrong argument or a folder without pairs ends it with one sentence."""
    with ending_with_a_sentence("inspect"):
        fire.Fire(inspect, name="python -m scripts.inspect")


if __name__ == "__main__":
    main()
