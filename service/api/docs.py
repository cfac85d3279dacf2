"""`/docs`: Swagger UI from an installed package, with our own page and script for the CSP."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request, Response

from service.api.answers import cached
from service.domain.errors import NotFound

router = APIRouter(include_in_schema=False)

# Swagger UI draws its icons as data: images and styles its widgets inline.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SCRIPT = "text/javascript; charset=utf-8"
FILES = {
    "docs.js": ("service.api", "pages/docs.js", SCRIPT),
    "swagger-ui-bundle.js": ("fastapi_offline", "static/swagger-ui-bundle.js", SCRIPT),
    "swagger-ui.css": ("fastapi_offline", "static/swagger-ui.css", "text/css; charset=utf-8"),
    "favicon.png": ("fastapi_offline", "static/favicon.png", "image/png"),
}


@router.get("/docs")
def show_docs(request: Request) -> Response:
    """The API, to read and to try."""
    page = files("service.api").joinpath("pages/docs.html").read_bytes()
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return cached(request, page, "text/html; charset=utf-8", headers)


@router.get("/docs/{name}")
def get_docs_file(request: Request, name: str) -> Response:
    """What the page loads."""
    if name not in FILES:
        raise NotFound(f"Expected one of {', '.join(FILES)}. Received '{name[:64]}'.")
    package, path, media = FILES[name]
    return cached(request, files(package).joinpath(path).read_bytes(), media)
