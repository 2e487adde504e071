"""The page in a browser: empty console, charts and audio players, keyboard, contrast."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch.utils.tensorboard import SummaryWriter

from gan_music.config.validate import compose_run
from gan_music.io.rendering.sound import sound_available
from gan_music.io.write import write_pieces
from gan_music.page.html import write_report
from gan_music.page.record import read_run
from tests.conftest import make_piece

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt install chromium)")

# the contrast of each text to its background, and whether it is large, by WCAG's formulas
_CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const back = rgba(getComputedStyle(element).backgroundColor);
      if (back[3] === 255) return back;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const add = (element, colour, kind) => {
    const [a, b] = [luminance(rgba(colour)), luminance(behind(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), kind, element.textContent.trim().slice(0, 30)]);
  };
  for (const e of document.querySelectorAll('body *')) {
    const style = getComputedStyle(e);
    if (e.tagName === 'text') add(e, style.fill, 'text');
    else if (e.tagName === 'path' && parseFloat(style.strokeWidth) > 1.5)
      add(e, style.stroke, 'graphic');
    else if ([...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) {
      const size = parseFloat(style.fontSize), bold = style.fontWeight >= 700;
      add(e, style.color, size >= 24 || (bold && size >= 18.66) ? 'large' : 'text');
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run's folder that is written by hand."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text(yaml.safe_dump(dataclasses.asdict(compose_run("seed=3"))))
    for name in ("real", "samples"):
        write_pieces([make_piece(seed) for seed in range(2)], folder / name)
    columns = {"generated": 0.5, "generated_95": [0.4, 0.6], "reference": 0.9, "shuffled": None}
    figures = {
        "c2st": {"accuracy": columns | {"best": "0.5"}},
        "mgeval": {"oa_mean": columns | {"best": "higher"}},
    }
    content = {"val_distance": 0.25, "verdict": "narrow", "figures": figures, "notes": ["A note."]}
    (folder / "metrics.json").write_text(json.dumps(content))
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for tag in ("train/loss_d", "train/loss_g", "train/score_real", "collapse/entropy_pitch"):
            for step in range(20):
                writer.add_scalar(tag, 1 / (1 + step), step)
    path = folder / "report.html"
    write_report([read_run(folder)], path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with playwright.sync_playwright() as tools:
            flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
            browser = tools.chromium.launch(executable_path=CHROMIUM, args=flags)
            yield browser
            browser.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_in_a_browser(browser: Any, path: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}

    # it fits the window, and everything is visible
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 300)")
    drawn = page.evaluate(
        "[...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().height)"
    )
    assert len(drawn) == 3 + 3  # losses, scores, entropies; pitches, durations, offsets
    assert min(drawn) > 120
    sizes = page.evaluate(
        "[...document.querySelectorAll('.chart svg text')]"
        ".map(t => t.getBoundingClientRect().height)"
    )
    assert min(sizes) > 9

    found = page.evaluate(_CONTRASTS)
    assert {kind for _, kind, _ in found} == {"text", "large", "graphic"}
    assert [f for f in found if f[0] < (4.5 if f[1] == "text" else 3)] == []

    # every player, roll, table and details element is reachable by keyboard, and details open
    wanted = set(
        page.evaluate(
            "[...document.querySelectorAll(\"audio, summary, [tabindex='0']\")]"
            ".map((e, i) => e.checkVisibility() ? i : -1)"  # not within closed details
        )
    )
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        number = page.evaluate(
            "[...document.querySelectorAll(\"audio, summary, [tabindex='0']\")]"
            ".indexOf(document.activeElement)"
        )
        reached.add(number)
        if reached >= wanted - {-1}:
            break
    assert reached - {-1} == wanted - {-1}
    assert len(reached) > 12
    fold = page.locator("summary").first
    fold.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None
    page.close()


@pytest.mark.skipif(not sound_available(), reason="needs gan_music[audio]")
def test_players_play(browser: Any, path: Path) -> None:
    page = browser.new_page()
    page.goto(path.as_uri())
    played = page.evaluate(
        """async () => {
          const found = [];
          for (const player of document.querySelectorAll('audio')) {
            player.muted = true;
            await player.play();
            await new Promise(done => player.addEventListener('timeupdate', done, {once: true}));
            player.pause();
            found.push([player.duration, player.error]);
          }
          return found;
        }"""
    )
    assert len(played) == 4
    assert all(error is None and 15 < duration < 30 for duration, error in played)
    page.close()
