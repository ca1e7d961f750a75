#!/usr/bin/env python3
"""Line images with their texts, and the answers of Tesseract for them.

    python tesseract_lines.py uw3 DATA/uw3_500 OUT --lang eng
    python tesseract_lines.py words WORDS OUT --lang deu --fonts FONT... [--lines 200] [--seed 1]

The first form takes an archive lines.tar with lines.tsv (file, text). The second draws lines of random words of a text
file, degrades them mildly (size, blur, contrast, noise, JPEG), and needs Pillow and NumPy (made with Pillow 13.0.0 and
NumPy 2.4.6). Both write OUT/NNNN.png for Tesseract, the same pixels as OUT/NNNN.pgm (grey, on white), and the table
OUT/lines.tsv: file, text, answer of `tesseract --psm 13 --oem 1` (5.3.0). They print the seconds of one process with
one thread (OMP_THREAD_LIMIT=1) for all lines and for the first one alone: their difference is the steady state.
`cargo run --release -p refrain-tesseract --example lines` reads OUT.
"""

import argparse
import io
import os
import random
import subprocess
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def grey(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("L")


def uw3(folder):
    texts = dict(line.split("\t") for line in (folder / "lines.tsv").read_text("utf-8").splitlines())
    with tarfile.open(folder / "lines.tar") as archive:
        for member in archive:
            image = Image.open(io.BytesIO(archive.extractfile(member).read()))
            yield grey(image), texts[member.name]


def words(file, fonts, count, seed):
    draw = random.Random(seed)
    noise = np.random.default_rng(seed)
    vocabulary = sorted(set(file.read_text("utf-8").split()))
    for _ in range(count):
        parts = [draw.choice(vocabulary) for _ in range(draw.randint(3, 7))]
        for i in range(len(parts)):
            if parts[i][-1].isalpha() and draw.random() < 0.15:
                parts[i] += draw.choice(",.;:!?")
            if draw.random() < 0.05:
                parts[i] = str(draw.randint(1, 2100))
        text = " ".join(parts)
        font = ImageFont.truetype(draw.choice(fonts), draw.randint(22, 48))
        left, top, right, bottom = font.getbbox(text)
        pad = [draw.randint(3, 9) for _ in range(4)]
        size = (right - left + pad[0] + pad[2], bottom - top + pad[1] + pad[3])
        paper, ink = draw.randint(215, 255), draw.randint(0, 90)
        image = Image.new("L", size, paper)
        ImageDraw.Draw(image).text((pad[0] - left, pad[1] - top), text, font=font, fill=ink)
        image = image.filter(ImageFilter.GaussianBlur(draw.uniform(0, 1.0)))
        pixels = np.asarray(image, np.float32) + noise.normal(0, draw.uniform(0, 12), image.size[::-1])
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=draw.randint(40, 95))
        yield Image.open(packed).convert("L"), text


def tesseract(files, lang):
    listing = files[0].parent / "list.txt"
    listing.write_text("".join(f"{file}\n" for file in files))
    command = ["tesseract", str(listing), "-", "-l", lang, "--psm", "13", "--oem", "1"]
    start = time.monotonic()
    run = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_THREAD_LIMIT": "1"}
    )
    seconds = time.monotonic() - start
    answers = [page.replace("\n", " ").replace("\t", " ").strip() for page in run.stdout.split("\f")[: len(files)]]
    return answers, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["uw3", "words"])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--fonts", nargs="+")
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    lines = uw3(args.source) if args.kind == "uw3" else words(args.source, args.fonts, args.lines, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    files, texts = [], []
    for number, (image, text) in enumerate(lines):
        file = args.out / f"{number:04}.png"
        image.save(file)
        image.save(file.with_suffix(".pgm"))
        files.append(file)
        texts.append(text)
    _, first = tesseract(files[:1], args.lang)
    answers, seconds = tesseract(files, args.lang)
    with open(args.out / "lines.tsv", "w", encoding="utf-8") as table:
        for file, text, answer in zip(files, texts, answers, strict=True):
            table.write(f"{file.with_suffix('.pgm').name}\t{text}\t{answer}\n")
    print(f"{len(files)} lines in {seconds:.2f} s, the first alone in {first:.2f} s")


if __name__ == "__main__":
    main()
