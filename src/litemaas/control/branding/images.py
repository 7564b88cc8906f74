"""Is this really an image, and can it do no harm? Judged by content; SVG is rebuilt from what is known to be harmless."""

from __future__ import annotations

import re
from xml.etree import ElementTree as tree  # noqa: N813 — only builds; defusedxml parses

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from litemaas.core.errors import InvalidField

MAX_BYTES = 2 * 1024 * 1024
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = frozenset([
    "svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "defs",
    "linearGradient", "radialGradient", "stop", "clipPath", "mask", "title", "desc", "symbol", "use", "pattern",
])  # fmt: skip
_ATTRIBUTES = frozenset([
    "id", "class", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "width", "height",
    "viewBox", "preserveAspectRatio", "points", "transform", "fill", "fill-rule", "fill-opacity", "clip-rule",
    "clip-path", "mask", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit",
    "stroke-dasharray", "stroke-dashoffset", "stroke-opacity", "opacity", "offset", "stop-color", "stop-opacity",
    "gradientUnits", "gradientTransform", "spreadMethod", "patternUnits", "patternTransform", "maskUnits",
    "clipPathUnits", "font-family", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline",
    "letter-spacing", "dx", "dy", "href", "version", "role", "aria-label",
])  # fmt: skip
_REFERENCE = re.compile(r"url\s*\(\s*['\"]?(?!#)", re.IGNORECASE)


def checked(content: bytes) -> tuple[str, bytes]:
    """The media type and what is kept of the image. Errors: InvalidField."""
    if len(content) > MAX_BYTES:
        raise InvalidField("The image is larger than 2 MB.", "image")
    for signature, media_type in _SIGNATURES:
        if content.startswith(signature):
            return media_type, content
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp", content
    return "image/svg+xml", harmless_svg(content)


def harmless_svg(content: bytes) -> bytes:
    """Drawing elements and attributes only: no script, no handlers, no styles, no reference that leaves the file.

    Errors: InvalidField.
    """
    try:
        root = fromstring(content, forbid_dtd=True)
    except (tree.ParseError, DefusedXmlException, ValueError):
        raise InvalidField("The image must be JPEG, PNG, GIF, WebP or plain SVG.", "image") from None
    if root.tag != f"{{{_SVG}}}svg":
        raise InvalidField("The image must be JPEG, PNG, GIF, WebP or plain SVG.", "image")
    tree.register_namespace("", _SVG)
    _purge(root)
    written: bytes = tree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _purge(element: tree.Element) -> None:
    for name in list(element.attrib):
        plain = name.rpartition("}")[2]
        value = element.attrib[name]
        if plain not in _ATTRIBUTES or (plain == "href" and not value.startswith("#")) or _REFERENCE.search(value):
            del element.attrib[name]
    for child in list(element):
        space, _, plain = str(child.tag).rpartition("}")
        if space == f"{{{_SVG}" and plain in _ELEMENTS:
            _purge(child)
        else:
            element.remove(child)
