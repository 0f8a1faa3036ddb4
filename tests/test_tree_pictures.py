# SPDX-License-Identifier: Apache-2.0
"""Trees as pictures: DOT source, tidy places, drawings in which nothing is clipped and no two texts meet."""

from __future__ import annotations

import itertools
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made_trees import Ask, Node, car_tree, golf_tree, iris_tree, make_tree, random_table, random_tree

from pygbt.schema import Schema

pytest.importorskip("sklearn")

from pygbt.tree import draw, to_graphviz, to_svg
from pygbt.tree.layout import tidy
from pygbt.tree.palette import class_colors, luminance, mixed, text_color, value_color

ODD = 'a "b" <c> {d} | \\n & é 中 $x$\nnext'


def odd_tree() -> Any:
    """Names with every character that some format gives a meaning."""
    schema = Schema((ODD, "x"), True, ((ODD, "</text>", "&amp;"), None))
    return make_tree(
        Node([3, 4], [Node([3, 0]), Node([0, 4])], [Ask(0, branches=[0, 1, 1])]), schema, [ODD, "\\G $y$ <b>"]
    )


# --- DOT ------------------------------------------------------------------------------------------------------------

STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTES = rf"\[\w+=(?:{STRING}|\w+)(?:, \w+=(?:{STRING}|[\w.]+))*\]"


def parse_dot(text: str) -> tuple[dict[int, str], dict[tuple[int, int], str]]:
    """Labels of nodes and edges; fails on any line that is not DOT as the writer means it."""
    lines = text.splitlines()
    assert lines[0] == "digraph Tree {"
    assert lines[-1] == "}"
    nodes: dict[int, str] = {}
    edges: dict[tuple[int, int], str] = {}
    for line in lines[1:-1]:
        found = re.fullmatch(rf"  (graph|node|edge|n(\d+)(?: -> n(\d+))?) ({ATTRIBUTES});", line)
        assert found, line
        if found[2] is None:
            continue
        label = re.search(rf"label=({STRING})", found[4])
        assert label
        shown = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label[1][1:-1]).replace("&amp;", "&")
        if found[3] is None:
            nodes[int(found[2])] = shown
        else:
            edges[int(found[2]), int(found[3])] = shown.strip()
    return nodes, edges


def test_dot_of_known_trees() -> None:
    nodes, edges = parse_dot(to_graphviz(golf_tree()))
    assert nodes[0] == "outlook?\nyes\nn = 14\n0.36 / 0.64"
    assert nodes[2] == "yes\nn = 4\n0.00 / 1.00"
    assert edges[0, 3] == "= rainy"
    assert edges[1, 5] == "> 75"
    nodes, edges = parse_dot(to_graphviz(car_tree(), max_depth=1, orientation="right"))
    assert nodes == {0: "Weight?\n24.58\nn = 60", 1: "30.93\nn = 15", 2: "22.47\nn = 45\n… 3 leaves below"}
    assert edges == {(0, 1): "< 2567.5", (0, 2): ">= 2567.5"}


def test_dot_keeps_every_character() -> None:
    nodes, edges = parse_dot(to_graphviz(odd_tree()))
    flat = ODD.replace("\n", " ")
    assert nodes[0].startswith(f"{flat}?\n\\G $y$ <b>")
    assert edges[0, 1] == f"= {flat}"
    assert edges[0, 2] == "in {</text>, &amp;}"


@pytest.mark.parametrize("seed", range(4))
def test_dot_of_random_trees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, random_table(rng, 200), n_classes=int(rng.choice([0, 3])))
    nodes, edges = parse_dot(to_graphviz(tree))
    assert sorted(nodes) == list(range(tree.n_nodes))
    assert sorted(edges) == sorted((int(p), c) for c, p in enumerate(tree.parents()) if p >= 0)


# --- layout ---------------------------------------------------------------------------------------------------------


def random_shape(rng: np.random.Generator) -> list[list[int]]:
    """Children of up to 120 nodes, up to six a node."""
    children: list[list[int]] = [[]]
    for node in range(120):
        if node >= len(children) or len(children) > 114:
            break
        n = int(rng.integers(1, 7)) if rng.random() < 0.55 or node == 0 else 0
        children[node] = list(range(len(children), len(children) + n))
        children += [[] for _ in range(n)]
    return children


def levels_of(children: list[list[int]]) -> list[list[int]]:
    """Nodes level by level, from left to right."""
    levels = [[0]]
    while levels[-1]:
        levels.append([child for node in levels[-1] for child in children[node]])
    return levels[:-1]


def mirrored(children: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    """The same tree with the children of every node in reverse, and the old number of every new node."""
    old = [0]
    new: list[list[int]] = []
    for at in range(len(children)):  # `old` grows while it is read
        below = children[old[at]][::-1]
        new.append(list(range(len(old), len(old) + len(below))))
        old += below
    return new, old


@pytest.mark.parametrize("seed", range(20))
def test_tidy_trees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    children = random_shape(rng)
    size = rng.uniform(1, 30, len(children))
    x = tidy(children, size, 2.0, 3.0)
    assert (x - size / 2).min() == pytest.approx(0.0)
    for level in levels_of(children):
        for a, b in itertools.pairwise(level):
            apart = 2.0 if any(a in c and b in c for c in children) else 5.0
            assert x[b] - size[b] / 2 - (x[a] + size[a] / 2) >= apart - 1e-9
    for node, below in enumerate(children):
        if below:
            assert x[node] == pytest.approx((x[below[0]] + x[below[-1]]) / 2)
    other, old = mirrored(children)
    y = tidy(other, size[old], 2.0, 3.0)
    np.testing.assert_allclose(y + x[old], (y + x[old])[0], atol=1e-9)


def test_equal_sub_trees_are_drawn_alike_and_small_ones_are_spread() -> None:
    children = [[1, 2, 3], [4, 5], [], [6, 7], [], [], [], []]
    x = tidy(children, [2.0] * 8, 1.0)
    assert x[5] - x[4] == x[7] - x[6]
    assert x[2] == pytest.approx((x[1] + x[3]) / 2)


# --- colours --------------------------------------------------------------------------------------------------------


def test_colours() -> None:
    for n in range(2, 11):
        assert len(set(class_colors([1.0] * n))) == n
    many = class_colors([float(k) for k in range(12)])
    assert many[0] == many[1] == many[2]
    assert len(set(many[3:])) == 9
    light = [luminance(value_color(k / 50)) for k in range(51)]
    assert all(a > b for a, b in itertools.pairwise(light))
    for k in range(51):  # contrast of text on any fill, after WCAG
        ground = value_color(k / 50)
        low, high = sorted((luminance(ground), luminance(text_color(ground))))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    assert mixed("#ff0000", "#ffffff", 0.0) == "#ffffff"


# --- drawings -------------------------------------------------------------------------------------------------------

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def extents(ax: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where texts and boxes stand on the canvas: left, bottom, right, top in pixels."""
    from matplotlib.patches import FancyBboxPatch

    figure = ax.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = [text.get_window_extent(renderer).extents for text in ax.texts]
    boxes = [patch.get_window_extent(renderer).extents for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    return np.array(texts), np.array(boxes)


def inside(parts: np.ndarray, whole: Any, tolerance: float = 0.0) -> bool:
    return bool((parts[:, :2] >= whole.min - tolerance).all() and (parts[:, 2:] <= whole.max + tolerance).all())


def meet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which rectangles of `a` overlap which of `b`."""
    overlap = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.asarray((overlap > 0.5).all(axis=2))


def check_drawing(ax: Any, n_boxes: int) -> None:
    """Everything is inside the figure, boxes are apart, and each text is apart from all others and in one box or in
    none.
    """
    texts, boxes = extents(ax)
    assert len(boxes) == n_boxes
    assert inside(np.concatenate([texts, boxes]), ax.figure.bbox)
    assert (meet(boxes, boxes) == np.eye(len(boxes), dtype=bool)).all()
    assert (meet(texts, texts) == np.eye(len(texts), dtype=bool)).all()
    for text, box in np.argwhere(meet(texts, boxes)):
        assert (texts[text, :2] >= boxes[box, :2]).all()
        assert (texts[text, 2:] <= boxes[box, 2:]).all()


@pytest.mark.parametrize("orientation", ["down", "right"])
@pytest.mark.parametrize("make", [golf_tree, iris_tree, car_tree])
def test_known_trees_are_drawn_without_overlaps(make: Any, orientation: Any) -> None:
    tree = make()
    check_drawing(draw(tree, orientation=orientation, title="A title", missing=True), tree.n_nodes)


@pytest.mark.parametrize("seed", range(6))
def test_random_trees_are_drawn_without_overlaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, random_table(rng, 400), n_classes=int(rng.choice([0, 3])), most_nodes=60)
    check_drawing(draw(tree, font_size=float(rng.uniform(6, 14))), tree.n_nodes)
    depths = tree.node_depths()
    check_drawing(draw(tree, max_depth=2, orientation="down"), int((depths <= 2).sum()))


@pytest.mark.parametrize("orientation", ["down", "right"])
def test_long_names_are_drawn_without_overlaps(orientation: Any) -> None:
    cities = tuple(f"a city of a long name, number {k}" for k in range(9))
    schema = Schema(("name of the place where it all began, at last", "x"), True, (cities, None))
    below = Node([5, 6], [Node([5, 0]), Node([0, 6])], [Ask(1, -1234567.891)], fallback=1)
    root = Node([9, 9], [Node([4, 3]), below], [Ask(0, branches=[0, 0, 1, 1, 1, 1, 1, 1, 1])], fallback=0)
    tree = make_tree(root, schema, ["those who stayed at home and slept", "those who went away"])
    for many in (1, 3, 9):
        check_drawing(draw(tree, orientation=orientation, max_categories=many, missing=True), 5)
    assert "≤ \u22121.23457e+06" in [text.get_text() for text in draw(tree).texts]


def test_truncated_nodes_say_what_is_below() -> None:
    ax = draw(car_tree(), max_depth=1)
    assert "… 3 leaves below" in [text.get_text() for text in ax.texts]
    check_drawing(ax, 3)


def test_a_tree_fits_the_axes_it_is_given() -> None:
    from matplotlib import pyplot

    axes = pyplot.subplots(1, 2, figsize=(9, 3))[1]
    for ax, tree in zip(axes, (golf_tree(), car_tree()), strict=True):
        assert draw(tree, ax) is ax
        texts, boxes = extents(ax)
        assert len(boxes) == tree.n_nodes
        assert inside(np.concatenate([texts, boxes]), ax.get_window_extent(), tolerance=1.0)


def test_pictures_as_png_and_svg(tmp_path: Path) -> None:
    ax = draw(iris_tree())
    ax.figure.savefig(tmp_path / "iris.png")
    assert (tmp_path / "iris.png").read_bytes().startswith(b"\x89PNG")
    text = to_svg(iris_tree(), tmp_path / "iris.svg")
    assert (tmp_path / "iris.svg").read_text(encoding="utf-8") == text == to_svg(iris_tree())
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert b"matplotlib.pyplot" not in text.encode()


@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_name_can_be_drawn() -> None:
    ax = draw(odd_tree(), decimals=0)
    assert 'a "b" <c> {d} | \\n…中 $x$ next' in [text.get_text() for text in ax.texts]
    ElementTree.fromstring(to_svg(odd_tree()))


def test_a_tree_of_one_leaf() -> None:
    leaf = make_tree(Node([2, 5]), Schema(("x",), True, (None,)), ["no", "yes"])
    check_drawing(draw(leaf), 1)
    assert parse_dot(to_graphviz(leaf))[0] == {0: "yes\nn = 7\n0.29 / 0.71"}
    constant = make_tree(Node([2.5], weight=3.0), Schema(("x",), True, (None,)), None)
    check_drawing(draw(constant), 1)


def test_drawing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'pygbt\[plot\]'"):
        draw(iris_tree())


def test_arguments_of_drawings_are_checked() -> None:
    for wrong in ({"orientation": "up"}, {"max_depth": -1}, {"max_categories": 0}, {"font_size": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            draw(iris_tree(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="orientation"):
        to_graphviz(iris_tree(), orientation="up")  # type: ignore[arg-type]
