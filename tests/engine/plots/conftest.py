"""How tests read a picture."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest


def _texts(svg: bytes) -> list[str]:
    return [
        element.text or ""
        for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.fixture(scope="session")
def texts() -> Callable[[bytes], list[str]]:
    """The words of an SVG, as an XML parser reads them."""
    return _texts
