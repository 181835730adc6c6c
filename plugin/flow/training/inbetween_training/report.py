"""What the scores of an evaluation say: means, differences, the worst items, and whether conditions hold.

`results` maps a method's name to its `items`, `spans` and `scenes`, rows of scores with an `id`, and their `means`.
"""

import re

import numpy as np

from . import metrics, sheets, temporal
from .pictures import read, write

HIGHER = ("psnr", "ssim")
"""Measures of which more is better."""
BY_SIZE = ("chamfer", "lpips")
"""Measures that are told by size of motion too."""
RANKED = ("ssim", "chamfer")
"""Measures by whose mean rank the worst items are found."""
BINS = ("small", "medium", "large")


def means(rows, series, figures=()):
    """Mean of each measure over all items, of `BY_SIZE` by size of motion, of the cuts, of the spans, and of scenes."""

    def mean(name, rows):
        return float(np.mean([row[name] for row in rows]))

    scored, cuts = [row for row in rows if "psnr" in row], [row for row in rows if "cut" in row]
    names = [name for name in (*metrics.NAMES, "lpips") if scored and all(name in row for row in scored)]
    out = {name: mean(name, scored) for name in names}
    for name in BY_SIZE:
        for size in BINS:
            of_size = [row for row in scored if row["bin"] == size]
            if of_size and name in names:
                out[f"{name} {size}"] = mean(name, of_size)
    spanned = [row for row in scored if all(name in row for name in metrics.TIMED)]
    if spanned:
        out |= {name: mean(name, spanned) for name in metrics.TIMED}
    if cuts:
        out["cut"] = mean("cut", cuts)
    out |= {name: mean(name, series) for name in temporal.NAMES} if series else {}
    return out | of_scenes(figures)


def of_scenes(rows):
    """Of the scenes, and in each of them, the in-betweens of a whole span in which the figure is whole, of seven in the
    mean of all spans, and the mean error; where scenes are cut into more spans the names begin with the number."""
    out = {}
    for parts in sorted({row["parts"] for row in rows}):
        head, of_parts = "" if parts == 1 else f"{parts} ", [row for row in rows if row["parts"] == parts]
        names = list(dict.fromkeys(row["scene"] for row in of_parts))
        for name in (None, *names):
            group = [row for row in of_parts if name in (None, row["scene"])]
            wholes = [row["whole"] for row in group if "whole" in row]
            end = f" {name}" if name else ""
            if wholes:
                out[f"{head}whole{end}"] = 7 * float(np.mean(wholes))
            out[f"{head}error{end}"] = float(np.mean([row["error"] for row in group]))
    return out


def by_size(rows):
    """Number of items and mean of each measure for each size of motion."""
    groups = {size: [row for row in rows if row.get("bin") == size and "psnr" in row] for size in BINS}
    return {size: {"n": len(group)} | means(group, []) for size, group in groups.items() if group}


def difference(ours, theirs, measure, draws=4000):
    """Mean difference of a measure over common rows, and the interval that holds it with 95 % by bootstrap."""
    other = {row["id"]: row for row in theirs}
    apart = [row[measure] - other[row["id"]][measure] for row in ours if measure in row and row["id"] in other]
    if not apart:
        return None
    chance = np.random.default_rng(1).integers(0, len(apart), (draws, len(apart)))
    low, high = np.percentile(np.array(apart)[chance].mean(1), (2.5, 97.5))
    return {"mean": float(np.mean(apart)), "low": float(low), "high": float(high), "n": len(apart)}


def differences(ours, theirs):
    """Those of all measures that both have, by name."""
    kinds = (("items", (*metrics.NAMES, "lpips")), ("spans", temporal.NAMES), ("scenes", ("error",)))
    found = {name: difference(ours[kind], theirs[kind], name) for kind, names in kinds for name in names}
    return {name: row for name, row in found.items() if row}


def worst(rows, count):
    """Ids of the items with the worst mean rank, the worst first."""
    scored = [row for row in rows if "psnr" in row]
    ranks = np.zeros(len(scored))
    for name in RANKED:
        values = np.array([row[name] * (-1 if name in HIGHER else 1) for row in scored])
        # Equal values share a rank.
        ranks += np.searchsorted(np.sort(values), values, side="left")
    return [scored[at]["id"] for at in np.argsort(-ranks, kind="stable")[:count]]


def worst_sheets(folder, items, out, results, count):
    """Writes sheets of the worst items of the first method, with chamfer, ghost and crumbs of each. → paths"""
    methods = [name for name in results if results[name]["items"]]
    by_id = {item["id"]: item for item in items}
    chosen, paths = worst(results[methods[0]]["items"], count), []
    for start in range(0, len(chosen), sheets.ROWS):
        rows = []
        for name in chosen[start : start + sheets.ROWS]:
            item = by_id[name]
            row = [(name[:38], read(folder / item["i0"])), ("last key", read(folder / item["i1"]))]
            row.append((f"truth at {item['t']:.2f}", read(folder / item["gt"])))
            for method in methods:
                score = next(row for row in results[method]["items"] if row["id"] == name)
                text = f"{method[:12]} {score['chamfer']:.2f} {score['ghost']:.0f} {score['crumbs']:.0f}"
                row.append((text, read(out / method / f"{name}.png")))
            rows.append(row)
        paths.append(out / f"worst_{start // sheets.ROWS + 1}.png")
        write(paths[-1], sheets.sheet(rows))
    return paths


def table(results):
    """The means of all methods as text."""
    columns = [name for name in next(iter(results.values()))["means"] if not of_one_scene(name, results)]
    short = [name.replace("chamfer ", "ch. ").replace("lpips ", "lp. ") for name in columns]
    lines = [f"{'':<13}" + "".join(f"{name:>11}" for name in short)]
    for method, result in results.items():
        cells = [result["means"].get(name) for name in columns]
        lines.append(f"{method:<13}" + "".join(f"{'-' if c is None else format(c, '.3f'):>11}" for c in cells))
    return "\n".join(lines)


def scene_names(results):
    """Names of all scenes."""
    return list(dict.fromkeys(row["scene"] for result in results.values() for row in result.get("scenes", ())))


def of_one_scene(measure, results):
    """Whether a measure's name is that of one scene."""
    return any(measure.endswith(f" {name}") for name in scene_names(results))


def scene_table(results):
    """Of each scene whole figures of seven, and the mean error, for each number of spans."""
    names, lines = scene_names(results), []
    parts = sorted({row["parts"] for result in results.values() for row in result["scenes"]})
    for count in parts:
        head = "" if count == 1 else f"{count} "
        spans = "whole span" if count == 1 else f"1/{count} span"
        lines.append(f"{spans:<13}" + "".join(f"{name:>16}" for name in names) + "   whole of 7, mean error")
        for method, result in results.items():
            if not result["scenes"]:
                continue
            cells = []
            for name in names:
                wholes, error = (result["means"].get(f"{head}{measure} {name}") for measure in ("whole", "error"))
                cells.append(f"{'-' if wholes is None else format(wholes, '.1f')} {error:6.2f}")
            lines.append(f"{method:<13}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


DIGITS = {"psnr": 2, "psnr timed": 2, "ghost": 1, "crumbs": 1, "cut": 1, "uneven": 2, "flicker": 2}
DIGITS |= {"whole": 1, "error": 2}
"""Digits after the point in a document; three for all else."""


def markdown(results):
    """The same for a document, and the first method by size of motion."""
    ours = next(iter(results))
    columns = list(results[ours]["means"])
    measures = [name for name in (*metrics.NAMES, "lpips") if name in columns]

    def row(head, values, names):
        cells = ("-" if v is None else f"{v:.{DIGITS.get(n, 3)}f}" for n, v in zip(names, values))
        return f"| {' | '.join([*head, *cells])} |"

    def top(head, names):
        return f"| {' | '.join([*head, *names])} |\n|{'---|' * (len(head) + len(names))}"

    lines = [top(["method"], columns)]
    lines += [row([name], [r["means"].get(c) for c in columns], columns) for name, r in results.items()]
    lines += ["", top([f"{ours}: motion", "pairs"], measures)]
    for size, mean in by_size(results[ours]["items"]).items():
        lines.append(row([size, str(mean["n"])], [mean[name] for name in measures], measures))
    return "\n".join(lines) + "\n"


class Need:
    """A condition on a mean of the first method, as `chamfer<=.38` or `crumbs<=0.5*dis`."""

    def __init__(self, text):
        parsed = re.fullmatch(r"([a-z0-9_ -]+)(<=|>=)([0-9]*\.?[0-9]+)(?:\*([\w-]+))?", text)
        if not parsed:
            known = "ssim>=.92, chamfer large<=.68, whole ball>=6 or crumbs<=0.5*dis"
            raise ValueError(f'"{text}" is no condition; use {known}')
        self.name, self.sign, number, self.other = parsed.groups()
        self.number = float(number)

    def missed(self, results):
        """What is missed, in words; None where the condition holds."""
        ours = next(iter(results))
        value, limit = self.mean(results, ours), self.number
        if self.other:
            limit *= self.mean(results, self.other)
        holds = value <= limit if self.sign == "<=" else value >= limit
        return None if holds else f"{self.name} of {ours} is {value:.3f}, asked for is {self.sign} {limit:.3f}"

    def mean(self, results, method):
        if self.name not in results.get(method, {"means": {}})["means"]:
            raise ValueError(f"there is no {self.name} of {method}")
        return results[method]["means"][self.name]
