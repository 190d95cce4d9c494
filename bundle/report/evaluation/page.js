"use strict";
// The gallery of cases. All text goes in by textContent, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("gallery-data").textContent);
  const control = (id) => document.getElementById(id);
  const gallery = control("gallery");
  const measures = new Map(data.measures.map((measure) => [measure.name, measure]));
  const STEP = 12; // cases shown at first, and with each "Show more"
  let shown = STEP;

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function drawn(name, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function picture(index, alt) {
    return element("img", { src: data.images[index], alt, width: data.columns, height: data.rows });
  }

  // Lesions as polygons; where the source says that each lesion lies, seen from the nipple: an arc, and a line.
  function overlay(view, one, elsewhere) {
    const svg = drawn("svg", { viewBox: `0 0 ${data.columns} ${data.rows}`, class: elsewhere ? "elsewhere" : "here" });
    for (const points of view.lesions) svg.append(drawn("polygon", { points, class: "lesion" }));
    if (!view.nipple) return svg;
    const [cx, cy] = view.nipple;
    const arc = (r) => `M${cx} ${cy - r}A${r} ${r} 0 0 0 ${cx} ${cy + r}`;
    const line = (depth) => `M${cx - depth} 0V${data.rows}`;
    svg.append(drawn("circle", { cx, cy, r: 2, class: "nipple" }));
    for (const { distance, depth } of one.lesions) {
      for (const [kind, shape, from] of [["arc", arc, distance], ["depth", line, depth]]) {
        svg.append(drawn("path", { d: shape(from), class: kind }));
        for (const off of [-data.tolerance, data.tolerance]) {
          if (from + off > 0) svg.append(drawn("path", { d: shape(from + off), class: `${kind} tolerance` }));
        }
      }
    }
    return svg;
  }

  function difference(real, synthetic) {
    const canvas = element("canvas", { width: data.columns, height: data.rows });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "synthetic minus real");
    Promise.all([real.decode(), synthetic.decode()]).then(() => {
      const context = canvas.getContext("2d", { willReadFrequently: true });
      const grey = (image) => {
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, canvas.width, canvas.height);
      };
      const before = grey(real).data;
      const result = grey(synthetic);
      for (let at = 0; at < before.length; at += 4) {
        const signed = (result.data[at] - before[at]) / (255 * data.full_difference);
        const strength = Math.min(1, Math.abs(signed));
        const colour = signed < 0 ? [63, 140, 255] : [255, 140, 40];
        for (let channel = 0; channel < 3; channel += 1) result.data[at + channel] = strength * colour[channel];
        result.data[at + 3] = 255;
      }
      context.putImageData(result, 0, 0);
    });
    return canvas;
  }

  function panel(caption, ...layers) {
    return element("figure", {}, element("div", { className: "frame" }, ...layers), element("figcaption", { textContent: caption }));
  }

  function slider(one, real, synthetic, lines) {
    const input = element("input", { type: "range", min: 0, max: 100, value: 50, step: 2 });
    input.setAttribute("aria-label", `${one.pair}: share of the picture that shows the real view`);
    const over = element("div", { className: "over" }, synthetic);
    const figure = panel("◂ real | synthetic ▸", real, over, lines, element("div", { className: "divider" }), input);
    figure.classList.add("compare");
    const move = () => figure.style.setProperty("--at", `${input.value}%`);
    input.addEventListener("input", move);
    move();
    return figure;
  }

  function scores(one, sortedBy) {
    const list = element("dl", { className: "scores" });
    for (const measure of data.measures) {
      const value = one.scores[measure.name];
      if (value === undefined) continue;
      const text = element("dd", { textContent: value.toFixed(measure.decimals) });
      if (one.below.includes(measure.name)) {
        text.prepend(element("span", { className: "below", textContent: "▾ ", title: "the best baseline scores better on this image" }));
      }
      const entry = element("div", {}, element("dt", { textContent: measure.title }), text);
      if (measure.name === sortedBy) entry.className = "sorted";
      list.append(entry);
    }
    return list;
  }

  function card(one, place, total, sortedBy) {
    const title = element("h3", { textContent: `${one.pair}  ${one.source_view} → ${one.target_view}` });
    const value = sortedBy && one.scores[sortedBy];
    const score = sortedBy ? `, ${measures.get(sortedBy).title} ${value === undefined ? "none" : value.toFixed(measures.get(sortedBy).decimals)}` : "";
    title.append(element("span", { textContent: `${place} of ${total}${score}` }));
    const real = picture(one.real.image, `real ${one.target_view}`);
    const synthetic = picture(one.synthetic.image, `synthetic ${one.target_view}`);
    const views = element(
      "div",
      { className: "views" },
      panel(`source: ${one.source_view}`, picture(one.source.image, `source ${one.source_view}`), overlay(one.source, one, false)),
      panel(`real ${one.target_view}`, real, overlay(one.real, one, false)),
      panel(`synthetic ${one.target_view}`, synthetic, overlay({ lesions: one.real.lesions, nipple: one.synthetic.nipple }, one, true)),
      panel("difference", difference(real, synthetic), overlay(one.real, one, true)),
      slider(one, real.cloneNode(), synthetic.cloneNode(), overlay(one.real, one, true)),
    );
    return element("article", { className: "case", tabIndex: -1 }, title, views, scores(one, sortedBy));
  }

  // Cases without the score come last, whichever way; equals stay in the order of the pairs.
  function chosen() {
    const name = control("sort").value;
    const cases = data.cases.filter((one) => !control("direction").value || one.direction === control("direction").value);
    if (!name) return cases;
    const rising = (control("order").value === "worst") === (measures.get(name).better !== "lower");
    return cases.sort((one, other) => {
      const [a, b] = [one.scores[name], other.scores[name]];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return rising ? a - b : b - a;
    });
  }

  function show() {
    const name = control("sort").value;
    const cases = chosen();
    const [worst, best] = control("order").options;
    const neither = name && measures.get(name).better === null;
    worst.textContent = neither ? "lowest first" : "worst first";
    best.textContent = neither ? "highest first" : "best first";
    control("order").disabled = !name;
    gallery.replaceChildren(...cases.slice(0, shown).map((one, index) => card(one, index + 1, cases.length, name)));
    const order = name ? `by ${measures.get(name).title}, ${control("order").selectedOptions[0].textContent}` : "by pair";
    control("shown").textContent = `${Math.min(shown, cases.length)} of ${cases.length} cases, ${order}`;
    control("more").hidden = shown >= cases.length;
  }

  function restart() {
    shown = STEP;
    show();
  }

  function worstFirst() {
    if (!control("sort").value) control("sort").value = data.headline;
    control("order").value = "worst";
    restart();
  }

  function showLayers() {
    gallery.classList.toggle("no-lesions", !control("lesions").checked);
    gallery.dataset.distance = control("distance").value;
  }

  function go(step) {
    const cards = [...gallery.children];
    const here = cards.findIndex((each) => each.contains(document.activeElement));
    const next = cards[Math.max(0, Math.min(cards.length - 1, here < 0 ? 0 : here + step))];
    next?.focus();
  }

  const keys = {
    j: () => go(1),
    k: () => go(-1),
    w: worstFirst,
    o: () => control("lesions").click(),
    a: () => {
      const choice = control("distance");
      choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
      showLayers();
    },
  };

  for (const id of ["sort", "order", "direction"]) control(id).addEventListener("change", restart);
  for (const id of ["lesions", "distance"]) control(id).addEventListener("change", showLayers);
  control("worst").addEventListener("click", worstFirst);
  control("size").addEventListener("input", (event) => gallery.style.setProperty("--picture", `${event.target.value}px`));
  control("more").addEventListener("click", () => {
    shown += STEP;
    show();
    gallery.children[shown - STEP]?.focus();
  });
  control("controls").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    // In a list, letters choose an entry.
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const action = keys[event.key.toLowerCase()];
    if (action) {
      event.preventDefault();
      action();
    }
  });
  showLayers();
  show();
})();
