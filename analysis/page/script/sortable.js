// Tables whose columns sort by a press on their heading.

/** Make headings buttons; `sort(column, rising)` puts the rows in order. */
function makeSortable(table, sort, first = null) {
  const heads = [...table.tHead.rows[0].cells];
  const mark = (chosen, rising) => heads.forEach((head, i) => {
    if (head.querySelector("button")) head.setAttribute("aria-sort", i === chosen ? (rising ? "ascending" : "descending") : "none");
  });
  heads.forEach((head, column) => {
    if ("fixed" in head.dataset) return;
    const button = el("button", { type: "button", class: "sorter", text: head.textContent });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      mark(column, rising);
      sort(column, rising);
      announce(`Sorted by ${button.textContent}, ${rising ? "rising" : "falling"}.`);
    });
  });
  mark(first, true);
}

/** Sort a table that stands on the page already by its cells' `data-value`, or by their text. */
function sortInPlace(table) {
  makeSortable(table, (column, rising) => {
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b)));
    if (!rising) rows.reverse();
    table.tBodies[0].append(...rows);
  });
}

const compare = (a, b) => (a !== "" && b !== "" && !Number.isNaN(+a) && !Number.isNaN(+b) ? a - b : a.localeCompare(b, "en", { numeric: true }));
