# SPDX-License-Identifier: Apache-2.0
"""docs/results/classic.md and its pictures, from results/classic-*.json. Measures nothing."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import classic_methods
import classic_pruning
import classic_published
import machine
from classic_golden import GOLDEN
from classic_scores import summary
from classic_shapes import SHAPES
from classic_verdicts import Against, Ratio, against, before, memory_met, pruned, ratio, score_met, scores, word
from classic_verdicts import bars as bars_of

OUT = Path(__file__).resolve().parents[1] / "docs" / "results"
PROTOCOLS = {"cv": "10-fold CV", "split": "90/10 splits", "fresh": "new 300 / 1,500 rows"}
OWN = (
    "c45",
    "cart_1se",
    "samme_stumps_100",
    "bagged_c45_10",
    "bagged_cart_50",
    "boosted_c45_10",
    "boosted_c45_100",
    "forest_sqrt",
    "forest_breiman",
)

#: Where the time of the rows that miss their bars goes, by samples of one thread.
SHORT_OF = (
    "What is behind the misses. The score of covertype's tree: a thousand nodes have questions that are equally good, "
    "of which scikit-learn's seed chooses one and pygbt the first column. Otto: a third of a tree is the counting of "
    "nine drawn columns, at 0.7 ns a case and column; half of the nodes have fewer than eight cases. Extremely "
    "randomised trees ask 11,800 (adult) and 26,800 questions a tree: 23 % of the time is counting, 16 % turning nodes "
    "into the model's tree, 14 % moving cases, 10 % random bits. Covertype over 1,024 bins: the cells of its ten "
    "columns of many values leave the smallest cache. Tried and dropped: smaller blocks of rows where bins are made, "
    "parting the drawn features by kind without a branch; ranks of a sub-tree's codes pay only where most columns are "
    "asked."
)


def published_section(result: dict[str, Any]) -> list[str]:
    found = [a for p in classic_published.rows() if (a := against(p, result["rows"])) is not None]
    lines = [
        "## 1. Published against reproduced",
        "",
        "Test error in per cent with the standard error over the repetitions. z is the difference, ours less theirs, "
        "in standard errors of the difference; the error of a published mean is not known and taken for that of our "
        "repetitions, by the number of theirs. Within: no more than two; lower is better. Folds are stratified. "
        '"Reproduced": a public replication with scikit-learn 1.7.2, an entropy tree in place of C4.5. r: the '
        "published number was written down from memory; those of Quinlan agree with the printed means of his columns "
        "over 27 sets (15.66, 14.11, 13.36).",
        "",
    ]
    for source in dict.fromkeys(a.published.source for a in found):
        own = [a for a in found if a.published.source == source]
        gaps = [a.gap for a in own if a.gap is not None]
        within, lower = sum(abs(g) <= 2 for g in gaps), sum(g < -2 for g in gaps)
        lines += [
            f"**{source}**: {within} of {len(gaps)} within two standard errors, {lower} lower, "
            f"{len(gaps) - within - lower} higher.",
            "",
            "| set | method | protocol | published | pygbt | z | verdict | reproduced | z | verdict |",
            "|---|---|---|--:|--:|--:|---|--:|--:|---|",
        ]
        for a in own:
            p = a.published
            again = ("", "", "")
            if p.reproduced is not None and a.gap_reproduced is not None:
                again = (f"{p.reproduced:.2f}", f"{a.gap_reproduced:+.1f}", word(a.gap_reproduced))
            lines.append(
                f"| {p.data} | {classic_methods.TITLES[p.method]} | {a.repeats} x {PROTOCOLS[p.protocol]} | "
                f"{p.error:.2f}{' r' if p.recalled else ''} | {a.mean:.2f} ± {a.error:.2f} | "
                f"{'' if a.gap is None else f'{a.gap:+.1f}'} | {word(a.gap)} | {' | '.join(again)} |"
            )
        lines += ["", *_equal_votes(own, result["rows"])]
    return lines


def _equal_votes(own: list[Against], rows: list[dict[str, Any]]) -> list[str]:
    """What a rule for equal votes changes where bagging errs more than published."""
    found = []
    for a in own:
        other = against(replace(a.published, method=f"{a.published.method}_larger"), rows)
        if word(a.gap) == "**higher**" and other is not None:
            found.append(f"{a.published.data} {a.mean:.2f} -> {other.mean:.2f} (z {other.gap:+.1f})")
    if not found:
        return []
    return [
        "An even number of votes for two classes may be equal; the first class in order then wins, which in some sets "
        f"is the rare one. With equal votes to the larger class: {'; '.join(found)}.",
        "",
    ]


def own_section(result: dict[str, Any]) -> list[str]:
    rows = [row for row in result["rows"] if row["protocol"] == "cv"]
    lines = [
        "### All of them side by side",
        "",
        "Mean error in per cent of repeated ten-fold cross-validation, the lowest of a set in bold. C4.5 is pruned, "
        "CART inside ensembles is not.",
        "",
        "| set | " + " | ".join(classic_methods.TITLES[m] for m in OWN) + " |",
        "|---|" + "--:|" * len(OWN),
    ]
    for row in rows:
        means = {m: summary(row["errors"][m])[0] for m in OWN if m in row["errors"]}
        best = min(means.values())
        cells = [
            "-" if m not in means else f"**{means[m]:.2f}**" if means[m] == best else f"{means[m]:.2f}" for m in OWN
        ]
        lines.append(f"| {row['set']} | {' | '.join(cells)} |")
    full = [row for row in rows if all(m in row["errors"] for m in OWN)]
    if full:
        means = [statistics.mean(summary(row["errors"][m])[0] for row in full) for m in OWN]
        lines.append(f"| mean of {len(full)} sets | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
        by_name = dict(zip(OWN, means, strict=True))
        order = sorted(by_name, key=lambda m: by_name[m])
        worse = [
            row["set"] for row in full if summary(row["errors"]["boosted_c45_10"])[0] > summary(row["errors"]["c45"])[0]
        ]
        lines += [
            "",
            f"On average {classic_methods.TITLES[order[0]]} errs least ({by_name[order[0]]:.2f} %), "
            f"{classic_methods.TITLES[order[-1]]} most ({by_name[order[-1]]:.2f} %). Ten rounds of boosting raise the "
            f"error of the C4.5 tree on {len(worse)} of {len(full)} sets"
            + (f" ({', '.join(worse)})." if worse else "."),
        ]
    seconds = sum(sum(row["seconds"].values()) for row in result["rows"])
    return [*lines, "", f"{seconds / 60:.0f} minutes of one core. {machine.describe(result['machine'])}", ""]


def curves_section(result: dict[str, Any]) -> list[str]:
    if not result["curves"]:
        return []
    lines = ["### Error against the number of trees", "", "![error against trees](classic_trees.png)", ""]
    for curve in result["curves"]:
        ends = []
        for method, errors in curve["errors"].items():
            ends.append(f"{method} {errors[0]:.1f} % with one tree, {errors[-1]:.1f} % with {curve['sizes'][-1]}")
        lines.append(f"- {curve['set']} ({curve['repeats']} x 10-fold CV): {'; '.join(ends)}.")
    return [*lines, ""]


def pruning_section() -> list[str]:
    result = machine.load(classic_pruning.NAME)
    lines = ["## 2. Pruning", ""]
    for paragraph in (classic_pruning.__doc__ or "").strip().split("\n\n")[1:]:
        lines += [" ".join(paragraph.split()), ""]
    lines += [
        "Leaves kept: geometric mean over the sets. Change: of the test error in points, mean over the sets. Lower, "
        "higher: sets whose error changed by more than two standard errors of the paired differences.",
        "",
    ]
    kinds = {"cart": "CART", "c45": "C4.5"}
    for kind, title in kinds.items():
        rows = [row for row in result["rows"] if row["trees"] == kind]
        if not rows:
            continue
        rules = [rule for rule in classic_pruning.RULES if rule in rows[0]["rules"]]
        lines += [f"### {title}", "", "| rule | leaves kept | change | lower | higher |", "|---|--:|--:|--:|--:|"]
        verdicts = {rule: pruned(rows, rule, classic_pruning.RULES[rule][1]) for rule in rules}
        for rule, v in verdicts.items():
            lines.append(
                f"| {classic_pruning.RULES[rule][0]} | {100 * v.leaves_kept:.0f} % | {v.change:+.2f} | {v.lower} | "
                f"{v.higher} |"
            )
        best = min(verdicts, key=lambda rule: verdicts[rule].change)
        pays = sum(v.change <= 0 for v in verdicts.values())
        lines += [
            "",
            f"{pays} of {len(rules)} rules lower the mean error of {title}'s trees; most of all "
            f"{classic_pruning.RULES[best][0]} ({verdicts[best].change:+.2f} points with "
            f"{100 * verdicts[best].leaves_kept:.0f} % of the leaves).",
            "",
            f"Leaves before -> after / test error before -> after, {title}:",
            "",
            "| rule | " + " | ".join(row["set"] for row in rows) + " |",
            "|---|" + "--:|" * len(rows),
        ]
        for rule in rules:
            cells = []
            for row in rows:
                old = row["rules"][before(rule, classic_pruning.RULES[rule][1])]
                new = row["rules"][rule]
                leaves = f"{statistics.mean(old['leaves']):.0f} -> {statistics.mean(new['leaves']):.1f}"
                error = f"{statistics.mean(old['error']):.1f} -> {statistics.mean(new['error']):.1f}"
                cells.append(f"{leaves} / {error}")
            lines.append(f"| {classic_pruning.RULES[rule][0]} | {' | '.join(cells)} |")
        lines.append("")
    return [*lines, machine.describe(result["machine"]), ""]


def compare_section() -> list[str]:
    lines = ["## 3. Beside scikit-learn", ""]
    if not (machine.RESULTS / "classic-compare.json").exists():
        return [*lines, "Not measured yet.", ""]
    result = machine.load("classic-compare")
    rows = result["rows"]
    verdicts = [(key, *bar) for key in rows for bar in bars_of(SHAPES[key], rows[key])]
    missed = [(key, engine, what) for key, engine, what, met in verdicts if not met]
    lines += [
        f"Interleaved on {result['threads']} threads, {result['repeats']} timed rounds with a seed each, engines "
        "changing places; median of scikit-learn's time over pygbt's, round by round [least, most]. Unlimited depth, "
        "equal settings, float32 arrays, 70 % of the rows for training (dense: two thirds); categories of adult as "
        "numbers. Score: accuracy, or R2, on the held-out rows, mean ± standard deviation over the seeds; the bar is "
        "not to lie below scikit-learn's mean by more than two of its deviations. Memory: peak of the first fit in a "
        "process of its own, above the loaded table; the bar is not to exceed scikit-learn's.",
        "",
        f"**{len(verdicts) - len(missed)} of {len(verdicts)} met.**"
        + (" Missed: " + "; ".join(f"{SHAPES[k].title}, {e}: {what}" for k, e, what in missed) + "." if missed else ""),
        "",
        *([SHORT_OF, ""] if missed else []),
        "| work | pygbt | training, s | scikit-learn, s | ratio | bar | | prediction ratio | bar | | score | "
        "scikit-learn | | memory, MiB | scikit-learn | |",
        "|---|---|--:|--:|--:|--:|---|--:|--:|---|--:|--:|---|--:|--:|---|",
    ]
    for key, row in rows.items():
        for engine, bar in SHAPES[key].bars.items():
            lines.append(_bar_line(key, row, engine, bar))
    lines += ["", *_tree_lines(rows), machine.describe(result["machine"]), ""]
    return lines


def _ratio(r: Ratio) -> str:
    return f"{r.median:.2f} [{r.least:.2f}, {r.most:.2f}]"


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _bar_line(key: str, row: dict[str, Any], engine: str, bar: float) -> str:
    shape, engines = SHAPES[key], row["engines"]
    times = [statistics.median(run["fit_s"] for run in engines[name]["runs"]) for name in (engine, "sklearn")]
    fit = ratio(row, engine, "fit_s", bar)
    predict = ratio(row, engine, "predict_s", shape.predict_bar)
    ours, theirs = scores(row, engine), scores(row, "sklearn")
    cells = [
        shape.title,
        engine,
        *(f"{t:.3g}" for t in times),
        _ratio(fit),
        f"{bar:g}",
        _met(fit.met),
        _ratio(predict),
        "" if predict.bar is None else f"{predict.bar:g}",
        "" if predict.bar is None else _met(predict.met),
        f"{ours[0]:.4f} ± {ours[1]:.4f}",
        f"{theirs[0]:.4f} ± {theirs[1]:.4f}",
        _met(score_met(row, engine)),
        f"{engines[engine]['fit_mib']:.0f}",
        f"{engines['sklearn']['fit_mib']:.0f}",
        _met(memory_met(row, engine)),
    ]
    return f"| {' | '.join(cells)} |"


def _tree_lines(rows: dict[str, Any]) -> list[str]:
    """Is it the same tree?"""
    lines = [
        "The same tree? Both are walked from the root as long as they ask the same (column, midpoint, numbers of "
        "rows). A tie is a node where the questions differ and lower the impurity equally, to 10 digits; below it "
        "nothing is compared. With leaves of one case small nodes tie between columns, which scikit-learn settles by "
        "its seed.",
        "",
        "| work | least leaf | nodes | scikit-learn | nodes alike | ties | differences |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows.values():
        for t in row.get("trees", ()):
            lines.append(
                f"| {row['title']} | {t['least_leaf']} | {t['nodes']:,} | {t['nodes_sklearn']:,} | {t['alike']:,} | "
                f"{t['ties']:,} | {t['other']:,} |"
            )
    return [*lines, ""]


def golden_section() -> list[str]:
    lines = [
        "## 4. Golden numbers",
        "",
        "Held by tests, in `tests/`:",
        "",
        "| what | for example | tests |",
        "|---|---|---|",
    ]
    for what, numbers, file, tests in GOLDEN:
        lines.append(f"| {what} | {numbers} | `{file}`: {', '.join(f'`{test}`' for test in tests)} |")
    return [*lines, ""]


def pictures_section(path: str) -> list[str]:
    return [
        "## 5. Two trees",
        "",
        "Drawn by `pygbt.tree.draw`: C4.5's tree of iris, which is J48's, and CART's of kyphosis, which is rpart's.",
        "",
        "![C4.5's tree of iris](classic_iris.png) ![CART's tree of kyphosis](classic_kyphosis.png)",
        "",
        "The cost-complexity path of kyphosis by ten random folds. The tree without a question lies within one "
        "standard error of the best: the 1-SE rule takes it, `best` the smallest of those with the least error.",
        "",
        "![The path of kyphosis](classic_kyphosis_path.png)",
        "",
        "```",
        path,
        "```",
        "",
    ]


def page(path: str) -> str:
    """The whole page; `path`: the table of the path of kyphosis."""
    result = machine.load("classic-scores")
    lines = [
        "# The classical trees and ensembles: measured",
        "",
        "Made by `make classic` (`benchmarks/classic_report.py` from `benchmarks/results/classic-*.json`).",
        "",
        *published_section(result),
        *own_section(result),
        *curves_section(result),
        *pruning_section(),
        *compare_section(),
        *golden_section(),
        *pictures_section(path),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    import classic_pictures

    OUT.mkdir(exist_ok=True)
    classic_pictures.draw_iris(OUT / "classic_iris.png")
    path = classic_pictures.draw_kyphosis(OUT / "classic_kyphosis.png", OUT / "classic_kyphosis_path.png")
    curves = machine.load("classic-scores")["curves"]
    if curves:
        classic_pictures.draw_curves(curves, OUT / "classic_trees.png")
    (OUT / "classic.md").write_text(page(path))
    print("wrote docs/results/classic.md")


if __name__ == "__main__":
    main()
