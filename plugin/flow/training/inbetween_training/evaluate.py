"""Judges the product on in-betweens whose truth is known, beside what users have today.

    python -m inbetween_training.evaluate SET OUT

draws all of SET with the built plug-in in this project's host, with dissolve, Farneback, DIS and ffmpeg's
minterpolate, prints one table and writes into OUT: `table.txt` and `table.md`, all scores as `scores.json`, a
folder of pictures for each method, and `worst_N.png`, contact sheets of the items that the product draws worst.

`SET/manifest.json` has `items`, each with the file names `i0`, `i1` and `gt` (null for a cut), the
position `t`, an `id`, and perhaps `motion_bin`, by which means are shown apart.
"""

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from . import metrics, report, temporal
from .peers import peers
from .pictures import read, write
from .product import Product


class Function:
    """A method that is a function of two pictures, as the product is asked."""

    def __init__(self, method, threads):
        self.method, self.threads = method, threads

    def draw(self, shots, out):
        """Draws all shots, all positions of a pair at once."""
        pairs = {}
        for first, last, time, name in shots:
            pairs.setdefault((first, last), []).append((time, name))

        def one(pair):
            times = sorted({time for time, _ in pairs[pair]})
            drawn = dict(zip(times, self.method(*map(read, pair), times)))
            for time, name in pairs[pair]:
                write(out / name, drawn[time])

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(one, pairs))


def spans(items, every):
    """Each pair of keys once, without cuts, every so many of them: items that have these keys."""
    pairs = {(item["i0"], item["i1"]): item for item in reversed(items) if item["gt"] is not None}
    return list(pairs.values())[::-1][::every]


def place(span, number, steps):
    """Where the drawing at `number / steps` of a span lies."""
    return f"span/{span['id']}/{number}_{steps}.png"


def shots(folder, items, series, steps):
    """All that is to be drawn: two files, a position and the name of the picture."""
    asked = [(folder / item["i0"], folder / item["i1"], item["t"], f"{item['id']}.png") for item in items]
    for span in series:
        keys = folder / span["i0"], folder / span["i1"]
        asked += [(*keys, n / steps, place(span, n, steps)) for n in range(1, steps)]
    return asked


def judged(folder, item, out, others):
    """Scores of one drawn item; `others`: pictures of its span at other positions."""
    first, last, drawn = read(folder / item["i0"]), read(folder / item["i1"]), read(out / f"{item['id']}.png")
    row = {"id": item["id"], "bin": item.get("motion_bin", "")}
    if item["gt"] is None:
        return row | {"cut": metrics.cut_distance(first, last, drawn)}
    truth = read(folder / item["gt"])
    row |= metrics.score(first, last, truth, drawn)
    return row | metrics.timed(truth, map(read, others), row) if others else row


def smoothness(folder, span, files):
    """Temporal scores of one span, from the files of the pictures between its keys."""
    return {"id": span["id"], **temporal.score([read(p) for p in (folder / span["i0"], *files, folder / span["i1"])])}


def true_series(folder, items, series, steps):
    """Scores of the true drawings, for spans of which the set has them all."""
    known = {(item["i0"], item["i1"], item["t"]): item["gt"] for item in items}
    for span in series:
        names = [known.get((span["i0"], span["i1"], n / steps)) for n in range(1, steps)]
        if all(names):
            yield smoothness(folder, span, [folder / name for name in names])


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path, help="folder with a manifest.json")
    parser.add_argument("out", type=Path, help="folder for table, scores, pictures and sheets")
    parser.add_argument("--plugin", type=Path, help="the plug-in; by default the one built last")
    parser.add_argument("--host", type=Path, help="the program host-tests; by default the one built last")
    parser.add_argument("--set-parameter", action="append", default=[], metavar="ID=VALUE", help="of the plug-in")
    parser.add_argument("--no-product", action="store_true", help="leave the product out")
    parser.add_argument("--no-peers", action="store_true", help="leave the methods of others out")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="also networks, drawn here with PyTorch")
    parser.add_argument("--starts", nargs="*", default=[None], help="instead of the weights' own")
    parser.add_argument("--steps", type=int, default=8, help="a span is drawn at 1/N … (N-1)/N to see how it moves")
    parser.add_argument("--every", type=int, default=1, help="only every Nth span of the set; 0 for none")
    parser.add_argument("--worst", type=int, default=10, help="items on the sheets")
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        metavar="CONDITION",
        help="as 'crumbs<=0.5*dis': of the first method; fails if it is missed",
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.steps < 2:
        parser.error("--steps must be at least 2")
    return parser, args


def methods_of(args):
    """All methods asked for, by name, and what is told of the product."""
    methods, told = {}, {}
    if not args.no_product:
        methods["product"] = Product(args.plugin, args.host, args.set_parameter)
        told = methods["product"].told()
        if told.get("newer_sources"):
            print(f"warning: {told['newer_sources'][0]} is newer than the plug-in; build it again", file=sys.stderr)
    for weights in args.weights:
        from .draw import tweener

        for start in args.starts:
            name, method = tweener(weights, start)
            methods[name] = Function(method, 1)
    if not args.no_peers:
        methods |= {name: Function(method, args.threads) for name, method in peers().items()}
    return methods, told


def results_of(args, items, series, methods):
    """Draws with all methods and scores what they drew."""
    asked, results = shots(args.set, items, series, args.steps), {}
    numbers = range(1, args.steps)
    with ThreadPoolExecutor(args.threads) as pool, tempfile.TemporaryDirectory() as scratch:
        for name, method in methods.items():
            print(f"{name}: {len(asked)} pictures", file=sys.stderr, flush=True)
            drawn = Path(scratch) / name
            method.draw(asked, drawn)
            between = {
                (span["i0"], span["i1"]): [drawn / place(span, n, args.steps) for n in numbers] for span in series
            }
            rows = [
                pool.submit(judged, args.set, item, drawn, between.get((item["i0"], item["i1"]), ())) for item in items
            ]
            smooth = [pool.submit(smoothness, args.set, span, between[span["i0"], span["i1"]]) for span in series]
            rows, smooth = [row.result() for row in rows], [row.result() for row in smooth]
            results[name] = {"means": report.means(rows, smooth), "items": rows, "spans": smooth}
            for item in items:
                write(args.out / name / f"{item['id']}.png", read(drawn / f"{item['id']}.png"))
    truth = list(true_series(args.set, items, series, args.steps))
    if truth:
        results["truth"] = {"means": report.means([], truth), "items": [], "spans": truth}
    return results


def main():
    parser, args = arguments()
    cv2.setNumThreads(1)
    items = json.loads((args.set / "manifest.json").read_text())["items"]
    try:
        needs = [report.Need(text) for text in args.need]
        methods, told = methods_of(args)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    if not methods:
        parser.error("nothing to judge")
    series = spans(items, args.every) if args.every > 0 else []
    results = results_of(args, items, series, methods)
    ours, *others = [name for name in results if name != "truth"]
    against = {name: report.differences(results[ours], results[name]) for name in others}
    cuts = sum(item["gt"] is None for item in items)
    text = f"{report.table(results)}\n\n{len(items) - cuts} in-betweens, {cuts} cuts, "
    text += f"{len(series)} spans of {args.steps - 1} positions\n"
    for name, row in against.items():
        shown = (f"{measure} {d['mean']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]" for measure, d in row.items())
        text += f"{ours} - {name}: {'  '.join(shown)}\n"
    missed = [miss for miss in (need.missed(results) for need in needs) if miss]
    text += "".join(f"MISSED: {miss}\n" for miss in missed)
    print(text)
    (args.out / "table.txt").write_text(text)
    (args.out / "table.md").write_text(report.markdown(results))
    sizes = {name: report.by_size(result["items"]) for name, result in results.items()}
    written = {"product": told, "opencv": cv2.__version__, "steps": args.steps, "methods": results}
    written |= {"by_size": sizes, "against": against}
    (args.out / "scores.json").write_text(json.dumps(written, indent=1))
    for path in report.worst_sheets(args.set, items, args.out, results, args.worst):
        print(path)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
