// What a page of paper cannot do: sort and filter tables, and show them as cards on a narrow screen.
"use strict";
const cellsOf = row => [...row.cells].map(cell => cell.textContent.trim());

function label(table, names) {
  for (const row of table.tBodies[0].rows)
    [...row.cells].forEach((cell, place) => {
      if (names[place]) cell.dataset.label = names[place];
      if (!cell.textContent.trim() && !cell.querySelector("img, [style*=height]")) cell.dataset.empty = "";
    });
  table.classList.add("cards");
}

// A table whose index has a name comes with two head rows, each with blanks where the other has a name.
function mergeHead(table) {
  const [first, second, ...more] = table.tHead.rows;
  if (!second || more.length || first.cells.length !== second.cells.length) return;
  const pairs = [...first.cells].map((cell, place) => [cell, second.cells[place]]);
  const named = cell => cell.textContent.trim() && cell.colSpan === 1;
  if (pairs.some(([one, other]) => named(one) && named(other) || one.colSpan + other.colSpan > 2)) return;
  for (const [one, other] of pairs) if (named(other)) one.replaceChildren(...other.childNodes);
  second.remove();
}

function asNumber(text) {
  const found = text.replace(/,/g, "").replace("\u2212", "-").match(/^[-+]?\d+(\.\d+)?(e[-+]?\d+)?/i);
  return found ? Number(found[0]) : NaN;
}

function sortBy(table, place, button) {
  const down = button.dataset.order === "up";
  const rows = [...table.tBodies[0].rows];
  const text = row => row.cells[place].textContent.trim();
  const isNothing = row => !text(row) || text(row) === "\u2013";
  const numbers = rows.every(row => isNothing(row) || !isNaN(asNumber(text(row))));
  const size = row => isNothing(row) ? Number.MAX_VALUE : asNumber(text(row));
  rows.sort((one, other) => numbers
    ? size(one) - size(other)
    : text(one).localeCompare(text(other), undefined, {numeric: true}));
  if (down) rows.reverse();
  for (const each of table.tHead.querySelectorAll("button")) {
    delete each.dataset.order;
    each.closest("th").removeAttribute("aria-sort");
  }
  button.dataset.order = down ? "down" : "up";
  button.closest("th").setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((cell, place) => {
    if (!cell.textContent.trim()) return;
    const button = document.createElement("button");
    button.append(...cell.childNodes);
    button.title = "Sort";
    cell.append(button);
    button.addEventListener("click", () => sortBy(table, place, button));
  });
}

function makeFilter(table) {
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "Show only rows with \u2026";
  field.setAttribute("aria-label", "Show only rows with this text");
  field.className = "filter";
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.before(field);
}

for (const table of document.querySelectorAll(".output table, table.settings")) {
  if (!table.tHead || !table.tBodies.length) continue;
  mergeHead(table);
  if (table.tHead.rows.length !== 1) continue;
  const names = cellsOf(table.tHead.rows[0]), rows = table.tBodies[0].rows;
  if ([...rows].some(row => row.cells.length !== names.length)) continue;
  label(table, names);
  if (table.matches(".settings, .compared")) continue;
  if (rows.length > 2) makeSortable(table);
  if (rows.length > 12) makeFilter(table);
}

const menu = document.querySelector("nav details"), room = matchMedia("(min-width: 64rem)");
const settle = () => { menu.open = room.matches; };
room.addEventListener("change", settle);
settle();
menu.addEventListener("click", event => { if (event.target.tagName === "A") menu.open = room.matches; });
