"""Charts are self-contained SVG in the page's colours, with unique ids."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from gan_music.page import charts
from gan_music.page.record import Curve


def line(values: list[float], colour: int = 1) -> charts.Line:
    return charts.Line("a <b>", Curve(np.arange(len(values)), np.array(values)), colour)


def strokes(svg: str, colour: str) -> list[str]:
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg)
    return [d for d, style in paths if f"stroke: var({colour})" in style]


def test_lines_have_the_colours_of_the_page() -> None:
    chart = charts.line_chart("Losses", [line([1, 2, 3]), line([3, 2, 1], 2)], warm_until=1)
    ElementTree.fromstring(chart.svg)  # raises unless well-formed
    (up,), (down,) = strokes(chart.svg, "--c1"), strokes(chart.svg, "--c2")
    ys = [[float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", d)] for d in (up, down)]
    # in SVG, y increases downwards
    assert ys[0] == sorted(ys[0], reverse=True)
    assert ys[1] == sorted(ys[1])
    assert "var(--band)" in chart.svg
    assert not re.search(r"#[0-9a-f]{6}|http|<script|<style>[^<]*@import", chart.svg)
    assert chart.description == "Losses. a <b> ends at 3; a <b> ends at 1."
    assert "a <b>" not in chart.svg


def test_ids_differ_between_charts() -> None:
    both = [charts.line_chart("x", [line([1.0, 2.0])]).svg for _ in range(2)]
    ids = [i for svg in both for i in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in both:
        used = re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)
        assert used
        assert set(used) <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_a_long_curve_is_averaged() -> None:
    steps, values = charts._thinned(Curve(np.arange(480), np.tile([0.0, 2.0], 240)))
    assert len(steps) == 240
    assert (values == 1).all()
    assert steps[:2].tolist() == [0.5, 2.5]


def test_a_single_point_and_a_constant_are_visible() -> None:
    assert "var(--c1)" in charts.line_chart("x", [line([0.5])]).svg
    assert strokes(charts.line_chart("x", [line([0.0, 0.0])], log=True).svg, "--c1")


def test_bars_and_legend() -> None:
    chart = charts.bar_chart("x", ["C4", "", "E4"], [("real", [0.5, 0.5, 0]), ("ours", [1, 0, 0])])
    assert [(c, label) for c, label, _ in chart.legend] == [(1, "real"), (2, "ours")]
    assert ">C4<" in chart.svg
    assert chart.svg.count("fill: var(--c1)") == 3


def test_short_numbers() -> None:
    assert [charts.short(x) for x in (0.0, 0.12345, 1234.5, 1e-4, 2e6)] == [
        "0", "0.123", "1234", "1e-4", "2e6",
    ]  # fmt: skip
