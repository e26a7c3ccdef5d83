// What moves in the page: pointing at charts, hiding methods, sorting tables, searching examples.
"use strict";
{
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const tip = document.getElementById("tip");

  // A chart has one stop for the keyboard; arrows go from point to point, Escape leaves.
  const show = (mark, text) => {
    all(".at").forEach((other) => other.classList.remove("at"));
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("at");
    tip.textContent = text;
    const at = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(at.left + at.width / 2 - own.width / 2, 4), innerWidth - own.width - 4);
    const above = at.top - own.height - 10;
    tip.style.transform = `translate(${left}px, ${above > 4 ? above : at.bottom + 10}px)`;
  };
  const middle = (mark) => {
    const box = mark.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const nearest = (marks, x, y, reach) => {
    let best = null, least = reach * reach;
    for (const mark of marks) {
      const [mx, my] = middle(mark);
      const apart = (mx - x) ** 2 + (my - y) ** 2;
      if (apart < least) [best, least] = [mark, apart];
    }
    return best;
  };
  const seen = (chart) => all("[role=img]", chart).filter((mark) => !mark.closest("[hidden]"));
  for (const chart of all("[data-chart], [data-cells]")) {
    const reach = chart.hasAttribute("data-chart") ? 26 : 12;
    const point = (event) => {
      const mark = nearest(seen(chart), event.clientX, event.clientY, reach);
      show(mark, mark?.getAttribute("aria-label"));
    };
    chart.tabIndex = 0;
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerdown", point);
    chart.addEventListener("pointerleave", () => show(null));
    let at = -1;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") show(null);
      if (!step) return;
      event.preventDefault();
      const marks = seen(chart).map((mark) => [middle(mark), mark]);
      marks.sort(([a], [b]) => a[0] - b[0] || a[1] - b[1]);
      if (!marks.length) return;
      at = at < 0 && step < 0 ? marks.length - 1 : (at + step + marks.length) % marks.length;
      const mark = marks[at][1];
      show(mark, mark.getAttribute("aria-label"));
    });
    chart.addEventListener("blur", () => { at = -1; show(null); });
  }

  // Paper cannot be clicked: what is folded is printed open, and folded again.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const folded of opened) folded.open = true;
  });
  addEventListener("afterprint", () => {
    for (const folded of opened) folded.open = false;
    opened = [];
  });

  // Tables: a button in each heading sorts; figures by value, with their units.
  const units = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };
  const value = (cell) => {
    const text = cell.textContent.trim();
    const found = /^(-?[\d,]*\.?\d+)(?:\s*(B|kB|MB|GB|TB)\b)?/.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) * (units[found[2]] ?? 1) : text.toLowerCase();
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  };
  for (const table of all(".wide table")) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2) continue;
    all("thead th", table).forEach((heading, column) => {
      if (!heading.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const up = heading.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => (up ? compare(a, b) : compare(b, a)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // A table that goes on to the right says so, until it is scrolled to its end.
  const edges = () => {
    for (const wide of all(".wide")) {
      wide.classList.toggle("more", wide.firstElementChild.offsetWidth - wide.clientWidth - wide.scrollLeft > 2);
    }
  };
  for (const wide of all(".wide")) wide.addEventListener("scroll", edges, { passive: true });
  for (const folded of all("details")) folded.addEventListener("toggle", edges);
  addEventListener("resize", edges);
  edges();

  // Methods that are switched off leave the curve and every table that has a column of methods.
  const columnOf = (table) => all("thead th", table).findIndex((th) => th.textContent.trim() === "method");
  const ofMethods = all(".wide table").map((table) => [table, columnOf(table)]).filter(([, column]) => column >= 0);
  const chips = all(".chip");
  const filter = () => {
    const off = chips.filter((chip) => chip.getAttribute("aria-pressed") === "false").map((chip) => chip.dataset.method);
    for (const mark of all("#curve [data-series]")) mark.toggleAttribute("hidden", off.includes(mark.dataset.series));
    for (const [table, column] of ofMethods) {
      for (const row of table.tBodies[0]?.rows ?? []) {
        row.hidden = off.includes(row.cells[column].textContent.trim().split(" (")[0]);
      }
    }
  };
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") === "false"));
      filter();
    });
  }

  // Confusion: which size is shown, and what the shade means.
  const chosen = document.querySelector("[data-matrix]");
  chosen?.addEventListener("change", () => {
    for (const matrix of all(".big-matrix")) matrix.hidden = matrix.dataset.size !== chosen.value;
  });
  for (const radio of all("[name=shade]")) {
    radio.addEventListener("change", () => {
      radio.closest("figure").classList.toggle("by-count", radio.value === "count");
    });
  }

  // Examples: found by words, kind and label; put in order.
  const form = document.querySelector(".mistakes form");
  if (form) {
    const list = document.querySelector(".examples");
    const examples = [...list.children].map((item) => [item, item.textContent.toLowerCase()]);
    const search = () => {
      const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const { kind, label, order } = form.elements;
      let shown = 0;
      for (const [item, text] of examples) {
        const fits = words.every((word) => text.includes(word))
          && (!kind.value || item.dataset.kinds.split(" ").includes(kind.value))
          && (!label.value || item.dataset.label === label.value);
        item.hidden = !fits;
        shown += fits;
      }
      form.querySelector("output").textContent = `${shown} of ${examples.length} examples`;
      const sign = order.value === "sure" || order.value === "spread" ? -1 : 1;
      const by = examples.map(([item]) => [sign * Number(item.dataset[order.value]), item]);
      list.append(...by.sort(([a], [b]) => a - b).map(([, item]) => item));
    };
    form.addEventListener("input", search);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
}
