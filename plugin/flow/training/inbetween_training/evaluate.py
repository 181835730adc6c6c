"""Judges the product on in-betweens whose truth is known, beside what users have today.

    python -m inbetween_training.evaluate SET OUT --scenes SCENES --learned rife gmfss

draws all of SET with the built plug-in in this project's host, with dissolve, Farneback, DIS, ffmpeg's minterpolate and
learned methods, prints one table and writes into OUT: `table.txt` and `table.md`, all scores as `scores.json`, a
folder of pictures for each method, and `worst_N.png`, contact sheets of the items that the product draws worst.

`SET/manifest.json` has `items`, each with the file names `i0`, `i1` and `gt` (null for a cut), the
position `t`, an `id`, and perhaps `motion_bin`, by which means are shown apart. SCENES holds a folder with all true
drawings for each scene, see `whole`; SET may be such a folder too. Of each scene a sheet is written, `scene_NAME.png`.
"""

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from . import learned, metrics, report, sheets, temporal, whole
from .peers import peers
from .pictures import raw, read, write
from .product import Product


class Function:
    """A method that is a function of two pictures, as the product is asked; it knows no transparency."""

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


def scene_place(name, parts, first, number):
    """Where the drawing in place of true drawing `number` of a scene in so many spans lies."""
    return f"scene/{name}/{parts}/{first:02}_{number:02}.png"


def scene_spans(scenes, parts):
    """All drawings asked for of scenes: name, number of spans, first and last key, number of the true drawing."""
    for name in scenes:
        for count in parts:
            for first, last, numbers in whole.spans(count):
                yield from ((name, count, first, last, number) for number in numbers)


def scene_shots(folders, parts, flat=None):
    """All that is to be drawn of scenes; with `flat`, a folder, keys are written there without transparency first."""
    asked = []
    for name, count, first, last, number in scene_spans(folders, parts):
        keys = [folders[name] / f"true_{n:02}.png" for n in (first, last)]
        if flat:
            keys = [flattened(key, flat / name / key.name) for key in keys]
        asked.append((*keys, (number - first) / (last - first), scene_place(name, count, first, number)))
    return asked


def flattened(key, flat):
    """A key without transparency: itself, or a copy over a plain ground."""
    picture = raw(key)
    if picture.shape[2] == 3:
        return key
    if not flat.exists():
        write(flat, whole.over(picture))
    return flat


def scene_scores(scenes, parts, drawn):
    """Scores of all drawings of scenes; `scenes`: see `scenes_of`."""
    rows = []
    for name, count, first, last, number in scene_spans(scenes, parts):
        picture = raw(drawn / scene_place(name, count, first, number))
        row = scenes[name](picture.shape[2] == 4).judge(first, last, number, picture)
        rows.append({"id": f"{name} {count}.{first}.{number}", "scene": name, "parts": count} | row)
    return rows


def scenes_of(folders):
    """Scenes by name, each a function that reads it once: with transparency or without."""

    def reader(folder):
        known = {}

        def read_once(with_alpha):
            if with_alpha not in known:
                known[with_alpha] = whole.Scene(folder, with_alpha)
            return known[with_alpha]

        return read_once

    return {name: reader(folder) for name, folder in folders.items()}


def judged(folder, item, out, others, lpips=None):
    """Scores of one drawn item; `others`: pictures of its span at other positions."""
    first, last, drawn = read(folder / item["i0"]), read(folder / item["i1"]), read(out / f"{item['id']}.png")
    row = {"id": item["id"], "bin": item.get("motion_bin", "")}
    if item["gt"] is None:
        return row | {"cut": metrics.cut_distance(first, last, drawn)}
    truth = read(folder / item["gt"])
    row |= metrics.score(first, last, truth, drawn)
    if lpips:
        row["lpips"] = lpips(truth, drawn)
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
    parser.add_argument("set", type=Path, help="folder with a manifest.json, or with scenes")
    parser.add_argument("out", type=Path, help="folder for table, scores, pictures and sheets")
    parser.add_argument(
        "--scenes", type=Path, help="folder with folders of true drawings, to see whether figures stay whole"
    )
    parser.add_argument("--parts", type=int, nargs="*", default=[1, 2], help="equal spans that a scene is drawn in")
    parser.add_argument("--plugin", type=Path, help="the plug-in; by default the one built last")
    parser.add_argument("--host", type=Path, help="the program host-tests; by default the one built last")
    parser.add_argument("--set-parameter", action="append", default=[], metavar="ID=VALUE", help="of the plug-in")
    parser.add_argument("--no-product", action="store_true", help="leave the product out")
    parser.add_argument("--no-peers", action="store_true", help="leave the methods of others out")
    parser.add_argument("--no-lpips", action="store_true", help="leave out the measure that needs PyTorch")
    parser.add_argument(
        "--learned",
        nargs="*",
        default=[],
        choices=learned.METHODS,
        help="learned methods of others, slow; their pictures are kept. They are not asked for whole spans of the set",
    )
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
    if any(count not in (1, 2, 4, 8) for count in args.parts):
        parser.error("--parts: scenes can be cut into 1, 2, 4 or 8 spans")
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
    return methods | {name: learned.Kept(name) for name in args.learned}, told


def results_of(args, items, series, methods, folders):
    """Draws with all methods and scores what they drew."""
    results, numbers, scenes = {}, range(1, args.steps), scenes_of(folders)
    lpips = None if args.no_lpips or not any(item["gt"] for item in items) else learned.measure()
    with ThreadPoolExecutor(args.threads) as pool, tempfile.TemporaryDirectory() as scratch:
        for name, method in methods.items():
            own = [] if isinstance(method, learned.Kept) else series
            flat = None if isinstance(method, Product) else Path(scratch) / "flat"
            asked = shots(args.set, items, own, args.steps) + scene_shots(folders, args.parts, flat)
            print(f"{name}: {len(asked)} pictures", file=sys.stderr, flush=True)
            drawn = Path(scratch) / name
            method.draw(asked, drawn)
            between = {(span["i0"], span["i1"]): [drawn / place(span, n, args.steps) for n in numbers] for span in own}
            rows = [
                pool.submit(judged, args.set, item, drawn, between.get((item["i0"], item["i1"]), ()), lpips)
                for item in items
            ]
            smooth = [pool.submit(smoothness, args.set, span, between[span["i0"], span["i1"]]) for span in own]
            figures = [pool.submit(scene_scores, {one: scenes[one]}, args.parts, drawn) for one in scenes]
            rows, smooth = [row.result() for row in rows], [row.result() for row in smooth]
            figures = [row for rows in figures for row in rows.result()]
            results[name] = {"means": report.means(rows, smooth, figures), "items": rows, "spans": smooth}
            results[name]["scenes"] = figures
            for item in items:
                write(args.out / name / f"{item['id']}.png", read(drawn / f"{item['id']}.png"))
            for *_, picture in scene_shots(folders, args.parts):
                write(args.out / name / picture, raw(drawn / picture))
    truth = list(true_series(args.set, items, series, args.steps))
    if truth:
        results["truth"] = {"means": report.means([], truth, []), "items": [], "spans": truth, "scenes": []}
    return results


def scene_sheets(out, folders, parts, results):
    """Writes a sheet of each scene: its true drawings and what each method drew, in one row for each span. → paths"""
    paths = []
    for name, folder in folders.items():
        rows = []
        for count in parts:
            for first, last, numbers in whole.spans(count):
                keys = [("key", read(folder / f"true_{n:02}.png")) for n in (first, last)]
                rows.append([keys[0], *(("truth", read(folder / f"true_{n:02}.png")) for n in numbers), keys[1]])
                for method, result in results.items():
                    scores = {row["id"]: row for row in result["scenes"]}
                    row = []
                    for number in numbers:
                        score = scores.get(f"{name} {count}.{first}.{number}")
                        if score:
                            text = f"{method[:10]} {'whole' if score.get('whole') else ''} {score['error']:.1f}"
                            row.append((text, read(out / method / scene_place(name, count, first, number))))
                    rows += [[keys[0], *row, keys[1]]] if row else []
        paths.append(out / f"scene_{name}.png")
        write(paths[-1], sheets.sheet(rows))
    return paths


def main():
    parser, args = arguments()
    cv2.setNumThreads(1)
    manifest = args.set / "manifest.json"
    items = json.loads(manifest.read_text())["items"] if manifest.exists() else []
    folders = whole.scenes(args.scenes) if args.scenes else {} if items else whole.scenes(args.set)
    if not items and not folders:
        parser.error(f"{args.set} has neither a manifest.json nor folders with true_00.png")
    try:
        needs = [report.Need(text) for text in args.need]
        methods, told = methods_of(args)
    except (ValueError, FileNotFoundError, learned.MissingError) as error:
        parser.error(str(error))
    if not methods:
        parser.error("nothing to judge")
    series = spans(items, args.every) if args.every > 0 else []
    results = results_of(args, items, series, methods, folders)
    ours, *others = [name for name in results if name != "truth"]
    against = {name: report.differences(results[ours], results[name]) for name in others}
    cuts = sum(item["gt"] is None for item in items)
    text = f"{report.table(results)}\n\n{len(items) - cuts} in-betweens, {cuts} cuts, "
    text += f"{len(series)} spans of {args.steps - 1} positions\n"
    if folders:
        text += f"\n{report.scene_table(results)}\n"
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
    made = report.worst_sheets(args.set, items, args.out, results, args.worst) if items else []
    for path in made + scene_sheets(args.out, folders, args.parts, results):
        print(path)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
