"""QR codes as SVG within the page."""

import segno
from markupsafe import Markup


def qr_svg(text: str) -> Markup:
    """Black on nothing: put it on white. With the narrow margin of two modules; the box around it adds the rest."""
    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(omitsize=True, border=2, svgclass="qr", lineclass=None))  # noqa: S704 - a drawing of ours
