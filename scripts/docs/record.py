#!/usr/bin/env python3
"""Runs a command and draws its output as an animated SVG of a terminal. Needs Python's standard library only.

    python3 scripts/docs/record.py docs/train.svg --prompt "refrain train" -- target/release/refrain train --out runs/svg

The picture shows the printed text line by line, in the order of printing, in a terminal that scrolls. Only the waiting
is shortened. A viewer without animation shows the end of the run. `--log FILE` keeps the lines and their times.
`--from FILE` draws them again without a run.
"""

import argparse
import html
import re
import subprocess
import sys
import textwrap
import time

CHARACTER, LINE, MARGIN, TOP = 8.43, 19, 16, 36
FONT = "font-size=\"14\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def record(command):
    """Runs the command: seconds since its start and text of each line."""
    began, lines = time.monotonic(), []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append((time.monotonic() - began, ESCAPES.sub("", line.rstrip("\n"))))
    if process.wait() != 0 or not lines:
        sys.exit(f"the command ended with {process.returncode} after {len(lines)} lines; nothing was drawn")
    return lines


def appearances(lines, seconds):
    """Times at which the lines appear. Longer waits are shortened more, and the whole run takes `seconds`."""
    waits, before = [], 0.0
    for at, _ in lines:
        waits.append(0.02 + max(at - before, 0.0) ** 0.5)
        before = at
    scale, at, out = seconds / sum(waits), 0.0, []
    for wait in waits:
        at += wait * scale
        out.append(at)
    return out


def animate(kind, values, times, options):
    """An animation in steps: `values[i]` from second `times[i]` on; it repeats after a pause."""
    total = options.seconds + options.pause
    keys = ";".join(f"{at / total:.4f}" for at in times)
    more = ' type="translate"' if kind == "transform" else ""
    name = "animateTransform" if kind == "transform" else "animate"
    return (
        f'<{name} attributeName="{kind}"{more} values="{";".join(values)}" keyTimes="{keys}" '
        f'dur="{total:g}s" calcMode="discrete" repeatCount="indefinite"/>'
    )


def draw(lines, options):
    """The SVG: a window with the prompt and the scrolling lines."""
    rows = [(0.0, f"$ {options.prompt}", "#7ee787")]
    for (_, text), at in zip(lines, appearances(lines, options.seconds)):
        parts = textwrap.wrap(text, options.columns, replace_whitespace=False) or [""]
        rows += [(at, part, "#e6edf3") for part in parts]
    width = round(options.columns * CHARACTER + 2 * MARGIN)
    shown = min(options.rows, len(rows))
    height = TOP + shown * LINE + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{html.escape(options.prompt)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
    ]
    buttons = enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    out += [f'<circle cx="{20 + 18 * i}" cy="18" r="5.5" fill="{fill}"/>' for i, fill in buttons]
    out.append(f'<svg y="{TOP}" width="{width}" height="{shown * LINE + 4}">')
    scrolls = {at: max(number - options.rows, 0) for number, (at, _, _) in enumerate(rows, 1)}
    out.append(f'<g transform="translate(0 {-LINE * max(len(rows) - options.rows, 0)})" {FONT}>')
    out.append(animate("transform", [f"0 {-LINE * count}" for count in scrolls.values()], scrolls, options))
    for number, (at, text, fill) in enumerate(rows, 1):
        appears = animate("visibility", ["hidden", "visible"], [0.0, at], options) if at else ""
        place = f'x="{MARGIN}" y="{number * LINE - 5}" fill="{fill}" xml:space="preserve"'
        out.append(f"<text {place}>{html.escape(text)}{appears}</text>")
    return "\n".join([*out, "</g>", "</svg>", "</svg>", ""])


def read(path):
    with open(path, encoding="utf-8") as file:
        fields = [line.rstrip("\n").partition("\t") for line in file]
    return [(float(at), text) for at, _, text in fields]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT.svg")
    parser.add_argument("--prompt", help="the command, as shown in the picture")
    parser.add_argument("--log", metavar="FILE", help="keep the lines and their times")
    parser.add_argument("--from", dest="source", metavar="FILE", help="draw the lines kept by --log; run nothing")
    parser.add_argument("--seconds", type=float, default=14.0, help="length of the animation")
    parser.add_argument("--pause", type=float, default=10.0, help="seconds before the animation repeats")
    parser.add_argument("--columns", type=int, default=104, help="width of the terminal")
    parser.add_argument("--rows", type=int, default=24, help="height of the terminal")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options, command = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :]
    if bool(command) == bool(options.source):
        parser.error("give either a command after -- or --from FILE")
    options.prompt = options.prompt or " ".join(command)
    lines = read(options.source) if options.source else record(command)
    if options.log:
        with open(options.log, "w", encoding="utf-8") as file:
            file.writelines(f"{at:.3f}\t{text}\n" for at, text in lines)
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(draw(lines, options))


if __name__ == "__main__":
    main()
