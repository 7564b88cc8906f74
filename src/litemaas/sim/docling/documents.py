"""What becomes of a document? Pages and text that depend on nothing but what was sent.

A file has one page per ``bytes_per_page``; a text file keeps its words, any other gets prose by its checksum. A URL is
never fetched: its document is made up from the URL's text.
"""

from __future__ import annotations

import html
import zlib
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from litemaas.sim.prose import Prose

_TEXT_SUFFIXES = frozenset({".md", ".txt", ".csv", ".adoc", ".asciidoc"})
_A4_POINTS = {"width": 595.0, "height": 842.0}


class Source(Struct):
    """A document as it came in: its name, and its bytes or where it would be fetched."""

    filename: str
    content: bytes
    url: str | None = None


class Document(Struct):
    """A converted document."""

    filename: str
    title: str
    checksum: int
    pages: dict[int, str]  # Markdown by page number, from 1

    def markdown(self, page_break: str = "") -> str:
        between = f"\n\n{page_break}\n\n" if page_break else "\n\n"
        return between.join(self.pages.values())

    def text(self) -> str:
        return "\n\n".join(page.replace("#", "").strip() for page in self.pages.values())

    def html(self) -> str:
        body = "".join(f"<p>{html.escape(page)}</p>" for page in self.pages.values())
        return f"<!DOCTYPE html><html><head><title>{html.escape(self.title)}</title></head><body>{body}</body></html>"

    def doctags(self) -> str:
        pages = "<page_break>".join(f"<text>{html.escape(page)}</text>" for page in self.pages.values())
        return f"<doctag>{pages}</doctag>"

    def structure(self) -> dict[str, Any]:
        """A DoclingDocument, with ``pages`` as an object keyed by page number."""
        texts = [
            {"self_ref": f"#/texts/{place}", "parent": {"$ref": "#/body"}, "children": [], "content_layer": "body",
             "label": "text", "prov": [{"page_no": number, "bbox": {"l": 0.0, "t": 842.0, "r": 595.0, "b": 0.0,
             "coord_origin": "BOTTOMLEFT"}, "charspan": [0, len(page)]}], "orig": page, "text": page}
            for place, (number, page) in enumerate(self.pages.items())
        ]  # fmt: skip
        return {
            "schema_name": "DoclingDocument",
            "version": "1.7.0",
            "name": PurePosixPath(self.filename).stem,
            "origin": {"mimetype": "application/pdf", "binary_hash": self.checksum, "filename": self.filename},
            "furniture": {"self_ref": "#/furniture", "children": [], "content_layer": "furniture", "name": "_root_",
                          "label": "unspecified"},
            "body": {"self_ref": "#/body", "children": [{"$ref": text["self_ref"]} for text in texts],
                     "content_layer": "body", "name": "_root_", "label": "unspecified"},
            "groups": [], "texts": texts, "pictures": [], "tables": [], "key_value_items": [], "form_items": [],
            "pages": {str(number): {"size": _A4_POINTS, "image": None, "page_no": number} for number in self.pages},
        }  # fmt: skip


def source_from_url(url: str) -> Source:
    """The source behind an address, named after the last part of its path."""
    name = PurePosixPath(urlsplit(url).path).name or "index.html"
    return Source(name, url.encode(), url)


def convert_source(
    source: Source, prose: Prose, bytes_per_page: int, page_range: tuple[int, int] | None = None
) -> Document:
    """The document made of a source, with the pages asked for."""
    checksum = zlib.crc32(source.content)
    by_size = max(1, -(-len(source.content) // bytes_per_page))
    number = by_size if source.url is None else 1 + checksum % 4
    first, last = page_range or (1, number)
    wanted = range(max(1, first), min(number, last) + 1)
    title = PurePosixPath(source.filename).stem.replace("_", " ").replace("-", " ").strip().title() or "Document"
    words = _own_words(source)
    pages = {}
    for page in wanted:
        if words is None:
            body = prose.paragraph(checksum + page, 4)
        else:
            share = -(-len(words) // number)
            body = words[(page - 1) * share : page * share]
        heading = f"# {title}" if page == 1 else f"## Page {page}"
        pages[page] = f"{heading}\n\n{body}" if words is None else body
    if source.url is not None and 1 in pages:
        pages[1] += f"\n\nSimulated from <{source.url}>."
    return Document(source.filename, title, checksum, pages)


def _own_words(source: Source) -> str | None:
    if source.url is not None or PurePosixPath(source.filename).suffix.lower() not in _TEXT_SUFFIXES:
        return None
    try:
        return source.content.decode()
    except UnicodeDecodeError:
        return None
