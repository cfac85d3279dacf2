"""The look that all pictures share, and how a figure becomes the same bytes each time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PictureFormat = Literal["svg", "png"]

INK = "#1f2933"
MUTED = "#66727f"
GRID = "#e4e8ec"
AXIS = "#b6bfc8"
BLUE = "#2f6db3"
ORANGE = "#d9722b"
# Of several lines: told apart by people with any colour vision, as far as ten can be.
COLOURS = (
    BLUE, ORANGE, "#3a8f5c", "#b0413e", "#7b5ea7",
    "#8c6d46", "#c2609d", "#5a6772", "#a3a01f", "#2aa0b5",
)  # fmt: skip
PNG_DPI = 144
WIDTH = 7.2


def figure(height: float, *, title: str, subtitle: str, width: float = WIDTH) -> Figure:
    """Return an empty figure, `width` x `height` inches, with a headline in its top left corner.

    Only `Figure` is used, never pyplot: pyplot keeps figures in a global and is not for threads.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Read when the picture is written. Always the same values, so that threads cannot disagree:
    # rc_context would put the old ones back while another thread still writes.
    matplotlib.rcParams["svg.hashsalt"] = "fitpoint"
    matplotlib.rcParams["svg.fonttype"] = "none"
    # A level in a script that the font lacks is boxes in a PNG and itself in an SVG: not our fault.
    warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from", category=UserWarning)
    # The layout leaves the two lines of the headline free.
    top = 1 - 0.66 / height
    layout = ConstrainedLayoutEngine(rect=(0.012, 0.02, 0.976, top - 0.02))
    drawn = Figure(figsize=(width, height), facecolor="white", layout=layout)
    left = 0.16 / width
    drawn.text(
        left, 1 - 0.13 / height, _plain(title), va="top", size=12.5, weight="bold", color=INK
    )
    drawn.text(left, 1 - 0.4 / height, _plain(subtitle), va="top", size=9.5, color=MUTED)
    return drawn


def dress(
    axes: Axes, *, x_label: str = "", y_label: str = "", grid: Literal["x", "y"] = "y"
) -> None:
    """Give axes the shared look: two spines, a light grid along one axis, muted ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(AXIS)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.tick_params(colors=MUTED, labelsize=9, length=3, color=AXIS)
    if x_label:
        axes.set_xlabel(_plain(x_label), size=9.5, color=INK)
    if y_label:
        axes.set_ylabel(_plain(y_label), size=9.5, color=INK)


def labels(texts: Sequence[str], longest: int = 24) -> list[str]:
    """Return texts as tick labels: cut to `longest` characters, never read as mathematics."""
    return [_plain(text if len(text) <= longest else f"{text[: longest - 1]}…") for text in texts]


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as "1 row" and "60,000 rows"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Return a number with six digits, a large one in groups of three: 2007, 1,484,705, 0.25."""
    if 10_000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.6g}"


def message(axes: Axes, text: str) -> None:
    """Say in an empty picture why there is nothing to see."""
    axes.set_axis_off()
    note(axes, text)


def note(axes: Axes, text: str) -> None:
    """Write a sentence into the middle of axes."""
    place = axes.transAxes
    axes.text(0.5, 0.5, _plain(text), transform=place, ha="center", va="center", color=MUTED)


def render(drawn: Figure, fmt: PictureFormat) -> bytes:
    """Return a figure as SVG or PNG bytes; equal figures give equal bytes (an ETag rests on it)."""
    _settle(drawn)
    buffer = BytesIO()
    if fmt == "svg":
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    else:
        drawn.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _settle(drawn: Figure) -> None:
    """Lay a figure out once, and round where its panels are.

    The solver of the layout takes its equations in the order of their addresses, so the last bits
    of its answer are others each time, and the names of what is clipped by a panel hang on them.
    """
    engine = drawn.get_layout_engine()
    if engine is not None:
        engine.execute(drawn)
        drawn.set_layout_engine("none")
    for axes in drawn.axes:
        bounds = axes.get_position(original=True).bounds
        axes.set_position(tuple(round(bound, 6) for bound in bounds))


def _plain(text: str) -> str:
    """Return text as matplotlib and XML can draw it: no mathtext, no control characters."""
    printable = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )
    return printable.replace("$", r"\$")
