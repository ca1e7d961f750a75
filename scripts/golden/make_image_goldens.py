"""Image files that the encoders of the Rust crates cannot write, for crates/image/tests/golden.

Made with Pillow 13.0.0, imagecodecs 2026.3.6 and tifffile 2026.3.3:

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 imagecodecs==2026.3.6 tifffile==2026.3.3
    venv/bin/python scripts/golden/make_image_goldens.py

The tests compute the same pixels: `bilevel` and `smooth` below are `bilevel` and `smooth` of tests/it.rs.
"""

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

OUT = Path(__file__).parents[2] / "crates" / "image" / "tests" / "golden"


def bilevel():
    """61 by 37 pixels, True for white."""
    y, x = np.mgrid[0:37, 0:61]
    return ~(((x // 3 + y // 5) % 4 == 0) | (x * y % 17 == 3))


def smooth():
    """64 by 48 pixels of three colours that JPEG keeps well."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([4 * x, 5 * y, 255 - 2 * x - 2 * y], axis=-1).astype(np.uint8)


def jpegs():
    rgb = Image.fromarray(smooth())
    rgb.save(OUT / "progressive.jpg", quality=95, progressive=True, subsampling="4:2:0", dpi=(200, 200))
    rgb.save(OUT / "rgb.jpg", quality=95, keep_rgb=True)
    cmyk = np.zeros((48, 64, 4), np.uint8)
    cmyk[..., :3] = 255 - smooth()
    Image.fromarray(cmyk, "CMYK").save(OUT / "cmyk.jpg", quality=95)
    # Adobe stores the amounts of ink inverted.
    ycck = imagecodecs.jpeg8_encode(255 - cmyk, level=95, colorspace="CMYK", outcolorspace="YCCK")
    (OUT / "ycck.jpg").write_bytes(ycck)


def tiffs():
    one = Image.fromarray(bilevel())
    for name, method, tags in [
        ("rle", "tiff_ccitt", {}),
        ("g3", "group3", {}),
        ("g3-2d", "group3", {292: 1}),
        ("g4", "group4", {}),
        ("g4-lowest-first", "group4", {266: 2}),
        ("white-is-zero", "raw", {262: 0}),
    ]:
        one.save(OUT / f"{name}.tif", compression=method, tiffinfo=tags)
    rgb = Image.fromarray(smooth())
    rgb.save(OUT / "jpeg.tif", compression="jpeg", quality=95)
    rgb.save(OUT / "predictor.tif", compression="tiff_lzw", tiffinfo={317: 2})
    palette = rgb.quantize(16, dither=Image.Dither.NONE)
    palette.save(OUT / "palette.tif", compression="packbits")
    palette.convert("RGB").save(OUT / "palette.png")
    cmyk = np.zeros((48, 64, 4), np.uint8)
    cmyk[..., :3] = 255 - smooth()
    Image.fromarray(cmyk, "CMYK").save(OUT / "cmyk.tif", compression="tiff_deflate")
    wide = smooth().astype(np.uint16) * 257
    tifffile.imwrite(OUT / "tiles-16.tif", wide, photometric="rgb", tile=(16, 32), compression="zlib",
                     byteorder=">", predictor=True, metadata=None)
    tifffile.imwrite(OUT / "planar-big.tif", np.moveaxis(smooth(), -1, 0), photometric="rgb",
                     planarconfig="separate", bigtiff=True, rowsperstrip=10, metadata=None)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced():
    """Adam7 by hand: Pillow has no encoder of it."""
    image = smooth()
    raw = b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x, y, dx, dy in passes:
        raw += b"".join(b"\0" + row.tobytes() for row in image[y::dy, x::dx])
    header = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 1)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    (OUT / "interlaced.png").write_bytes(png)


def pdfs():
    # One inch is 300 pixels, so the page comes back pixel by pixel.
    large = Image.fromarray(smooth()).resize((600, 450), Image.Resampling.BICUBIC)
    large.save(OUT / "photo.pdf", resolution=300, quality=95)
    one = Image.fromarray(bilevel()).resize((610, 370), Image.Resampling.NEAREST)
    one.save(OUT / "fax.pdf", resolution=300, save_all=True, append_images=[one.transpose(Image.Transpose.ROTATE_180)])


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    jpegs()
    tiffs()
    interlaced()
    pdfs()
