"""Image files that are not what they say, and image files with metadata to mutate. For tests only."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

Blocks = list[tuple[int, int]]  # begin and end of each block of metadata in a file

WORDS = (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x0a\0", b"\0\x0a")  # lengths, types and offsets gone wrong


def content_of(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in parts)


def pictures_with_metadata() -> dict[str, tuple[bytes, Blocks]]:
    """By format: a small picture with every kind of metadata that the format has, and where its blocks are."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    exif[0x8769] = {0x9003: "2020:01:01 00:00:00", 0xA002: 24}
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "hello " * 5)
    texts.add_text("Long", "hello " * 50, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    shared: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": profile[:600]}
    contents = {
        "JPEG": content_of(picture, "JPEG", **shared, xmp=xmp, comment=b"hello", dpi=(72, 72)),
        "MPO": content_of(picture, "MPO", save_all=True, append_images=[picture], exif=exif.tobytes()),
        "PNG": content_of(picture, "PNG", **shared, pnginfo=texts, dpi=(72, 72)),
        "WEBP": content_of(picture, "WEBP", **shared, xmp=xmp),
        "TIFF": content_of(picture, "TIFF", **shared, dpi=(72, 72), description="hello"),
        "compressed TIFF": content_of(picture, "TIFF", compression="tiff_lzw", dpi=(72, 72), description="hello"),
        "GIF": content_of(picture, "GIF", comment=b"hello"),
    }
    return {form: (content, list(_blocks(form, content))) for form, content in contents.items()}


def mutate_metadata(content: bytes, blocks: Blocks, rng: random.Random) -> bytes:
    """Change up to four places of one block; a PNG's checksum is made right again, or nothing would be read."""
    changed = bytearray(content)
    begin, end = rng.choice(blocks)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(begin, end)
        word = rng.choice(
            [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x0a\0", b"\0\x0a", rng.randbytes(4), rng.randbytes(1)]
        )
        changed[place : place + len(word)] = word
    changed = changed[: len(content)]
    if content.startswith(b"\x89PNG"):
        changed[end : end + 4] = struct.pack(">I", zlib.crc32(content[begin - 4 : begin] + changed[begin:end]))
    return bytes(changed)


def _blocks(form: str, content: bytes) -> Iterator[tuple[int, int]]:
    if form in ("JPEG", "MPO"):
        yield 2, content.index(b"\xff\xdb")  # the segments before the quantisation tables
    elif form == "GIF":
        start = content.index(b"\x21\xfe")
        yield start, start + 9
    elif "TIFF" in form:
        start = struct.unpack("<I", content[4:8])[0]
        yield start, min(len(content), start + 2 + 12 * struct.unpack("<H", content[start : start + 2])[0] + 600)
    else:
        place = 8 if form == "PNG" else 12
        while place < len(content):
            if form == "PNG":
                length, kind = struct.unpack(">I4s", content[place : place + 8])
            else:
                kind, length = struct.unpack("<4sI", content[place : place + 8])
            if kind not in (b"IHDR", b"IDAT", b"IEND", b"VP8 ", b"VP8X"):
                yield place + 8, place + 8 + length
            place += 12 + length if form == "PNG" else 8 + length + length % 2
