"""What every page must hold, looked at in Chromium: nothing wider than its box, letters that can be read, every
control within reach of the keyboard, and nobody else asked."""

from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (1920, 1400, 390)

_TOO_WIDE = """() => {
  const found = [], tell = (it, why) => found.push(
    `${why} ${it.tagName}.${it.className} ${it.textContent.trim().replace(/\\s+/g, ' ').slice(0, 60)}`);
  const aside = it => it.closest('svg, .skip') || [...ancestors(it)].some(up => getComputedStyle(up).clipPath !== 'none');
  function* ancestors(it) { for (; it && it !== document.body; it = it.parentElement) yield it }
  for (const it of document.body.querySelectorAll('*')) {
    const look = getComputedStyle(it);
    if (!it.checkVisibility() || look.display === 'inline' || look.display === 'contents' || aside(it)) continue;
    if (it.clientWidth && it.scrollWidth > it.clientWidth + 1) tell(it, `${it.scrollWidth} > ${it.clientWidth}:`);
    if (it.getBoundingClientRect().right > innerWidth + 1) tell(it, 'out of the window:');
  }
  return found;
}"""

# WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large letters. What a filter turns round is computed as the browser does it.
_TOO_PALE = """() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1] };
  const over = (top, below) => top.slice(0, 3).map((c, k) => c * top[3] + below[k] * (1 - top[3])).concat(1);
  const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.slice(0, 3).map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const turn = c => { const [r, g, b] = c.map(v => 255 - v); return [-0.574 * r + 1.43 * g + 0.144 * b,
    0.426 * r + 0.43 * g + 0.144 * b, 0.426 * r + 1.43 * g - 0.856 * b].map(v => Math.min(255, Math.max(0, v))).concat(1) };
  const screened = (top, below) => top.map((v, k) => 255 - (255 - v) * (255 - below[k]) / 255);
  const root = parse(getComputedStyle(document.documentElement).backgroundColor);
  const base = root[3] ? over(root, [255, 255, 255]) : [255, 255, 255, 1];
  function ground(it) {
    const layers = [];
    for (let up = it; up; up = up.parentElement) layers.unshift([up, parse(getComputedStyle(up).backgroundColor)]);
    return layers.reduce((below, [, colour]) => over(colour, below), base);
  }
  function shown(it, colour) {
    const lines = [], filtered = it.closest('.paper');
    let below = ground(it), own = over(colour, below);
    if (filtered && getComputedStyle(filtered).filter !== 'none') {
      const page = ground(filtered.parentElement);
      below = screened(turn(below), page); own = screened(turn(own), page);
    }
    return [own, below];
  }
  const found = new Set();
  function check(it, colour, words) {
    const look = getComputedStyle(it), [own, below] = shown(it, colour);
    const [low, high] = [light(own), light(below)].sort((a, b) => a - b), ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(look.fontSize), large = size >= 24 || (size >= 18.66 && look.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.01)
      found.add(`${ratio.toFixed(2)} ${look.color} ${it.tagName}.${it.className} ${words.slice(0, 40)}`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const it = texts.currentNode.parentElement, words = texts.currentNode.data.trim();
    if (!words || !it.checkVisibility() || it.closest('script, style, title, [aria-hidden]')) continue;
    const look = getComputedStyle(it);
    check(it, parse(it.closest('svg') ? look.fill : look.color), words);
  }
  for (const it of document.querySelectorAll('[placeholder]'))
    if (it.checkVisibility()) check(it, parse(getComputedStyle(it, '::placeholder').color), it.placeholder);
  return [...found];
}"""

_MARK_CONTROLS = """() => {
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter(it => it.checkVisibility() && !it.disabled && it.tabIndex >= 0);
  all.forEach((it, place) => it.dataset.control = place);
  return all.length;
}"""
_FOCUSED = """() => {
  const it = document.activeElement, look = getComputedStyle(it);
  return [it.dataset.control ?? null, look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0];
}"""


def too_wide(page: Any) -> list[str]:
    """Elements that are wider than their box, or stand out of the window."""
    return page.evaluate(_TOO_WIDE)


def too_pale(page: Any) -> list[str]:
    """Texts with too little contrast, each with its ratio."""
    return page.evaluate(_TOO_PALE)


def out_of_reach(page: Any) -> list[int]:
    """Controls that the Tab key does not come to, or that do not show that they have the focus."""
    count, reached = page.evaluate(_MARK_CONTROLS), set()
    for _ in range(2 * count + 10):  # a date is three stops
        if len(reached) == count:
            break
        page.keyboard.press("Tab")
        control, shows = page.evaluate(_FOCUSED)
        if control is not None and shows:
            reached.add(int(control))
    return [control for control in range(count) if control not in reached]
