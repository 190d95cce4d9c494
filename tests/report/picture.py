"""The picture of a report for the documentation: ``python -m tests.report.picture REPORT.html PICTURE.png``.

The result and the first case are shown, the sections between them left out.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.report.browser import opened, started


def take_picture(report: Path, path: Path) -> None:
    """Write the picture as a PNG; the case is the one with the worst lesion, so that outlines show."""
    with started() as browser, opened(browser, report.resolve(), width=1140) as page:
        page.add_style_tag(content="section:not(#result, #cases), nav, .note { display: none }")
        page.locator("#sort").select_option(
            page.locator("#sort optgroup:last-child option").first.get_attribute("value")
        )
        page.wait_for_timeout(500)  # the differences are drawn when their pictures are decoded
        case = page.locator("article.case").first.bounding_box()
        frame = {"x": 0, "y": 0, "width": 1140, "height": case["y"] + case["height"] + 16}
        shot = page.screenshot(full_page=True, clip=frame)
    colours = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    # In 64 steps instead of 256, which nobody sees and which halves the file.
    Image.fromarray(colours // 4 * 4 + 2 * (colours > 0).astype(np.uint8)).save(path, optimize=True)


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]), Path(sys.argv[2]))
