"use strict";
(() => {
  const panels = new Map(Object.entries(JSON.parse(document.getElementById("panels").textContent)));
  const twins = new Map(Object.entries(JSON.parse(document.getElementById("twins").textContent)));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const views = new Map();

  // Charts are written in light colours; in dark mode each is exchanged for its twin.
  function painted(node) {
    if (typeof node === "string") return dark.matches && twins.has(node) ? twins.get(node) : node;
    if (Array.isArray(node)) return node.map(painted);
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, painted(value)]));
  }

  const tip = document.getElementById("tip");
  function showTip(_handler, event, _item, value) {
    if (value === null || value === undefined || value === "") {
      tip.style.visibility = "hidden";
      return;
    }
    const rows = document.createElement("div");
    for (const [name, text] of Object.entries(value)) {
      for (const part of [name, text]) rows.appendChild(document.createElement("span")).textContent = String(part);
    }
    tip.replaceChildren(rows);
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.max(4, Math.min(event.clientX + 14, window.innerWidth - width - 8));
    const above = event.clientY - height - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 4 ? event.clientY + 18 : above}px`;
    tip.style.visibility = "visible";
  }

  function zoom(id, factor) {
    const view = views.get(id);
    if (factor === null) {
      view.signal("zoom_t", null);
    } else {
      const [low, high] = view.scale("x").domain().map(Number);
      const centre = (low + high) / 2;
      const half = ((high - low) / 2) * factor;
      view.signal("zoom_t", [centre - half, centre + half]);
    }
    view.runAsync();
  }

  async function drawOne(id) {
    const panel = panels.get(id);
    const place = document.getElementById(id);
    try {
      views.get(id)?.finalize();
      const compiled = vegaLite.compile(painted(panel.spec)).spec;
      const view = new vega.View(vega.parse(compiled), { renderer: panel.renderer, container: place, hover: true });
      views.set(id, view.tooltip(showTip));
      await view.runAsync();
      return 1;
    } catch (error) {
      place.textContent = "This chart could not be drawn.";
      console.error(error);
      return 0;
    }
  }

  async function draw() {
    delete document.documentElement.dataset.drawn;
    let drawn = 0;
    for (const id of [...panels.keys()]) drawn += await drawOne(id);
    document.documentElement.dataset.drawn = String(drawn);
  }

  // Another series is chosen: its charts take the places of those of the one before.
  const { $schema, width, padding, autosize, config } = [...panels.values()][0].spec;
  function unpacked(panel) {
    const datasets = { ...panel.spec.datasets };
    for (const [name, groups] of Object.entries(panel.packed)) {
      datasets[name] = groups.flatMap(({ all, ...columns }) => columns.t.map((_, i) => {
        const row = { ...all };
        for (const [key, values] of Object.entries(columns)) row[key] = values[i];
        return row;
      }));
    }
    return { renderer: panel.renderer, spec: { $schema, width, padding, autosize, config, ...panel.spec, datasets } };
  }

  function exchangeFor(chosen) {
    for (const [name, says] of Object.entries(chosen.says)) {
      document.querySelector(`#${name} .says`).textContent = says;
      for (const place of document.querySelectorAll(`#${name} .panel`)) {
        const panel = chosen.panels[place.dataset.panel];
        place.hidden = panel === undefined;
        if (panel === undefined) {
          views.get(place.dataset.panel)?.finalize();
          panels.delete(place.dataset.panel);
          continue;
        }
        panels.set(place.dataset.panel, unpacked(panel));
        const title = place.querySelector("h3");
        if (title === null) continue;
        title.textContent = panel.title ?? "";
        place.querySelector(".chart").setAttribute("aria-label", `${document.querySelector(`#${name} h2`).textContent}: ${panel.title}`);
      }
    }
    exchangeSteps(chosen.steps);
    draw();
  }

  function exchangeSteps(steps) {
    const table = document.getElementById("steps");
    if (table === null || steps === null) return;
    table.tBodies[0].replaceChildren(...steps.rows.map((cells) => {
      const row = document.createElement("tr");
      cells.forEach((text, i) => {
        const cell = row.appendChild(document.createElement(i === 0 ? "th" : "td"));
        if (i === 0) cell.scope = "row";
        cell.textContent = text;
      });
      return row;
    }));
    document.getElementById("steps-after").textContent = steps.after;
  }

  const choice = document.getElementById("chosen");
  if (choice !== null) {
    const others = new Map(Object.entries(JSON.parse(document.getElementById("exchange").textContent)));
    choice.addEventListener("change", () => exchangeFor(others.get(choice.value)));
  }

  for (const button of document.querySelectorAll(".zoom button")) {
    const factor = { in: 0.5, out: 2, all: null }[button.dataset.zoom];
    button.addEventListener("click", () => zoom(button.closest(".panel").dataset.panel, factor));
  }
  // Where nothing can point, a tap on a symbol tells what its title does.
  for (const passage of document.querySelectorAll("p.passage")) {
    passage.addEventListener("click", (event) => showTip(null, event, null, event.target.title ? { "": event.target.title } : ""));
  }
  dark.addEventListener("change", draw);
  draw();
})();
