// The kit: what all live figures share. It is joined in front of each figure's own module as plain
// text, so that the same module runs in Jupyter (anywidget) and inline on the static page.
//
// A figure calls `figure({model, el, title, controls, readouts, compute, draw, handles})`:
//   compute(state) -> numbers      pure mathematics, checked against attnbook by the tests
//   draw(ctx)                      paints numbers into ctx.layer, an SVG group emptied before
//                                  (what seldom changes may stand in ctx.under, which is not)
//   handles(ctx) -> [handle]       the things a reader can drag or move with the arrow keys

// ---- mathematics: mirrors of attnbook, equal to it to 1e-6 (tests/site) -------------------------

const sum = (xs) => xs.reduce((a, b) => a + b, 0);
const dot = (a, b) => sum(a.map((x, i) => x * b[i]));
const range = (n) => Array.from({ length: n }, (_, i) => i);
const linspace = (a, b, n) => range(n).map((i) => a + ((b - a) * i) / (n - 1));
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const transpose = (m) => m[0].map((_, j) => m.map((row) => row[j]));
const matmul = (a, b) => a.map((row) => transpose(b).map((column) => dot(row, column)));

// Softmax at temperature T >= 0: T = 0 splits evenly among the maxima, T = Infinity among all.
function softmax(scores, temperature = 1) {
  const top = Math.max(...scores);
  const powers = scores.map((s) =>
    temperature === 0 ? Number(s === top) : temperature === Infinity ? 1 : Math.exp((s - top) / temperature));
  const total = sum(powers);
  return powers.map((p) => p / total);
}
const entropy = (weights) => -sum(weights.map((w) => (w > 0 ? w * Math.log(w) : 0)));
const blend = (weights, values) => sum(weights.map((w, i) => w * values[i]));

// ---- text and elements --------------------------------------------------------------------------

// A number as a reader reads it: a true minus sign, no "-0.00".
function text(x, digits = 2) {
  if (Array.isArray(x)) return `(${x.map((y) => text(y, digits)).join(", ")})`;
  if (typeof x !== "number") return String(x);
  if (!Number.isFinite(x)) return x > 0 ? "∞" : x < 0 ? "−∞" : "undefined";
  const fixed = x.toFixed(digits);
  return (Number(fixed) === 0 ? fixed.replace("-", "") : fixed).replace("-", "−");
}

const element = (make) => (tag, attributes = {}, ...children) => {
  const node = make(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};
const html = element((tag) => document.createElement(tag));
const svg = element((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
let serial = 0;
const unique = (stem) => `ab-${stem}-${(serial += 1)}-${Math.random().toString(36).slice(2, 7)}`;

// ---- drawing ------------------------------------------------------------------------------------

// A linear scale: scale(x) is a pixel, scale.invert(pixel) a value.
function linear(domain, pixels) {
  const slope = (pixels[1] - pixels[0]) / (domain[1] - domain[0] || 1);
  return Object.assign((x) => pixels[0] + (x - domain[0]) * slope,
    { domain, pixels, invert: (p) => domain[0] + (p - pixels[0]) / slope });
}

// About `count` round numbers within a domain.
function ticks([low, high], count = 5) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
  return range(Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1)
    .map((i) => (Math.ceil(low / step - 1e-9) + i) * step);
}

const line = (points, attributes = {}) =>
  svg("polyline", { points: points.map((p) => p.map((c) => c.toFixed(1)).join()).join(" "), ...attributes });
const label = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);

// An axis with its name. side: "bottom" (x scale) or "left" (y scale).
function axis(scale, { side = "bottom", at, name = "", count = 5, values = null, digits = null }) {
  const marks = values ?? ticks(scale.domain, count);
  const places = digits ?? Math.max(0, ...marks.map((v) => (String(Number(v.toFixed(6))).split(".")[1] ?? "").length));
  const [a, b] = scale.pixels;
  const bottom = side === "bottom";
  const group = svg("g", { class: "ab-axis" });
  group.append(svg("path", { d: bottom ? `M${a},${at}H${b}` : `M${at},${a}V${b}` }));
  for (const mark of marks) {
    const p = scale(mark);
    group.append(svg("path", { d: bottom ? `M${p},${at}v4` : `M${at},${p}h-4` }),
      bottom ? label(p, at + 17, text(mark, places), { "text-anchor": "middle" })
        : label(at - 7, p + 4, text(mark, places), { "text-anchor": "end" }));
  }
  if (name) group.append(bottom
    ? label((a + b) / 2, at + 35, name, { class: "ab-name", "text-anchor": "middle" })
    : label(0, 0, name, { class: "ab-name", "text-anchor": "middle", transform: `translate(${at - 39},${(a + b) / 2}) rotate(-90)` }));
  return group;
}

// Query, key and value differ in shape as well as in colour: circle, triangle, square.
function marker(role, x = 0, y = 0, size = 7, attributes = {}) {
  const shape = { query: ["circle", { r: size }],
    key: ["path", { d: `M0,${-1.2 * size}L${1.1 * size},${0.8 * size}H${-1.1 * size}Z` }],
    value: ["rect", { x: -size * 0.9, y: -size * 0.9, width: 1.8 * size, height: 1.8 * size }],
    weight: ["path", { d: `M0,${-1.2 * size}L${1.2 * size},0L0,${1.2 * size}L${-1.2 * size},0Z` }] }[role];
  const mark = svg(shape[0], { ...shape[1], class: `ab-${role}` });
  return svg("g", { transform: `translate(${x},${y})`, ...attributes }, mark);
}

// A heatmap from the page's background to the weight colour, with its scale beside it.
// One tab stop; arrow keys walk over the cells, and the cell is told in words to `say`.
// names: what row and column are; labels: their names, every nth of them written beside the cells;
// domain: the ends of the colour scale.
function heatmap({ x, y, width, height, matrix, rowLabels, colLabels, rowName = "query", colName = "key",
  domain = null, digits = 2, name = "weight", say = () => {}, memory = {}, scale = true, rowEvery = 1, colEvery = 1 }) {
  const [rows, cols] = [matrix.length, matrix[0].length];
  const ends = () => domain ?? [Math.min(0, ...matrix.flat()), Math.max(...matrix.flat())];
  let [low, high] = ends();
  const [w, h] = [width / cols, height / rows];
  const level = (v) => clamp((v - low) / (high - low || 1), 0, 1);
  const group = svg("g", { class: "ab-heatmap", tabindex: 0, role: "group",
    "aria-label": `Heatmap, ${name}: ${rows} rows (${rowName}), ${cols} columns (${colName}); arrow keys read its cells` });
  const words = (i, j) => `${rowName} ${rowLabels[i]}, ${colName} ${colLabels[j]}: ${name} ${text(matrix[i][j], Math.max(digits, 3))}`;
  const ring = svg("rect", { class: "ab-cell-ring", width: w, height: h, visibility: "hidden" });
  const point = (i, j) => {
    memory.cell = [i, j];
    ring.setAttribute("x", x + j * w);
    ring.setAttribute("y", y + i * h);
    ring.setAttribute("visibility", "visible");
    say(words(i, j));
  };
  // Hundreds of cells in every frame: written as one string, and heard through one listener.
  const cells = svg("g");
  cells.innerHTML = matrix.map((row, i) => row.map((v, j) => `<rect x="${(x + j * w).toFixed(2)}" y="${(y + i * h).toFixed(2)}" \
width="${w.toFixed(2)}" height="${h.toFixed(2)}" class="ab-cell" fill-opacity="${level(v).toFixed(3)}" data-at="${i},${j}"/>`).join("")).join("");
  cells.addEventListener("pointerover", (event) => event.target.dataset.at && point(...event.target.dataset.at.split(",").map(Number)));
  group.append(cells);
  // New numbers in the same bare cells: far cheaper than new cells.
  group.update = (next) => {
    matrix = next;
    [low, high] = ends();
    const ofScale = group.querySelectorAll(".ab-scale-end");
    [high, low].forEach((end, n) => ofScale[n] && (ofScale[n].textContent = text(end, digits)));
    next.flat().forEach((v, n) => cells.children[n].setAttribute("fill-opacity", level(v).toFixed(3)));
  };
  if (w >= 38 && h >= 18) matrix.forEach((row, i) => row.forEach((v, j) => group.append(
    label(x + (j + 0.5) * w, y + (i + 0.5) * h + 4, text(v, digits),
      { class: level(v) > 0.6 ? "ab-on-weight" : "ab-cell-value", "text-anchor": "middle", "pointer-events": "none" }))));
  rowLabels.forEach((r, i) => i % rowEvery === 0 && group.append(label(x - 6, y + (i + 0.5) * h + 4, r, { "text-anchor": "end" })));
  const turned = Math.max(...colLabels.map((c) => String(c).length)) * 7 > w * colEvery;
  colLabels.forEach((c, j) => j % colEvery === 0 && group.append(turned
    ? label(0, 0, c, { "text-anchor": "end", transform: `translate(${x + (j + 0.5) * w + 4},${y + height + 8}) rotate(-90)` })
    : label(x + (j + 0.5) * w, y + height + 16, c, { "text-anchor": "middle" })));
  if (scale) group.append(colourScale({ x: x + width + 14, y, height, domain: [low, high], name, digits }));
  group.append(svg("rect", { x, y, width, height, class: "ab-outline" }), ring);
  group.addEventListener("keydown", (event) => {
    const [di, dj] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (di === undefined) return;
    event.preventDefault();
    const [i, j] = memory.cell ?? [0, -dj];
    point(clamp(i + di, 0, rows - 1), clamp(j + dj, 0, cols - 1));
  });
  return group;
}

function colourScale({ x, y, height, domain, name, digits = 2, steps = 24 }) {
  const group = svg("g", { class: "ab-axis" });
  range(steps).forEach((i) => group.append(svg("rect", { x, width: 10, y: y + (height * i) / steps,
    height: height / steps, class: "ab-cell", "fill-opacity": 1 - i / (steps - 1) })));
  group.append(label(x + 14, y + 8, text(domain[1], digits), { class: "ab-scale-end" }),
    label(x + 14, y + height, text(domain[0], digits), { class: "ab-scale-end" }),
    label(0, 0, name, { class: "ab-name", "text-anchor": "middle", transform: `translate(${x + 24},${y + height / 2}) rotate(-90)` }));
  return group;
}

// ---- controls: native inputs, each bound to one name of the state -------------------------------

// A slider. positions: `min`, `max`, `step` in units of the value; or `values`, a list of stops.
const slider = (name, { label: words, min = 0, max = 1, step = 0.01, values = null, digits = 2, unit = "", show = null }) =>
  ({ model, id }) => {
    const toPosition = (v) => (values ? range(values.length).reduce((best, i) =>
      (Math.abs(squash(values[i]) - squash(v)) < Math.abs(squash(values[best]) - squash(v)) ? i : best), 0) : v);
    const spoken = (v) => (show ? show(v) : text(v, digits)) + (unit && ` ${unit}`);
    const input = html("input", { type: "range", id, min: values ? 0 : min, max: values ? values.length - 1 : max,
      step: values ? 1 : step, "data-state-name": name, oninput: () =>
        change(model, { [name]: values ? values[Number(input.value)] : Number(input.value) }) });
    const shown = html("span", { class: "ab-value-shown", "aria-hidden": "true" });
    return { node: html("div", { class: "ab-control" }, html("label", { for: id }, words), input, shown),
      refresh: (state) => {
        input.value = toPosition(state[name]);
        input.setAttribute("aria-valuetext", spoken(state[name]));
        shown.textContent = spoken(state[name]);
      } };
  };
// Compares stops that may be 0 or infinite: monotone, finite, about logarithmic in between.
const squash = (v) => Math.atan(Math.log(Math.max(v, 1e-12)) / 4);

const toggle = (name, { label: words }) => ({ model, id }) => {
  const input = html("input", { type: "checkbox", id, "data-state-name": name,
    onchange: () => change(model, { [name]: input.checked }) });
  return { node: html("div", { class: "ab-control ab-toggle" }, input, html("label", { for: id }, words)),
    refresh: (state) => { input.checked = state[name]; } };
};

// One of several. options: [[value, words], …]
const choice = (name, { label: words, options }) => ({ model, id }) => {
  const select = html("select", { id, "data-state-name": name, onchange: () => change(model, { [name]: select.value }) },
    ...options.map(([value, shown]) => html("option", { value }, shown)));
  return { node: html("div", { class: "ab-control" }, html("label", { for: id }, words), select),
    refresh: (state) => { select.value = state[name]; } };
};

// Steps to take one by one, to scrub and to play. total(state): how many there are; show(step, total).
// Playing stops at the end, at any other change, and where a reader wants no motion it is not offered.
const stepper = (name, { label: words, total, show = (step, all) => `${step} of ${all}` }) => ({ model, read, id }) => {
  const at = () => Math.min(read()[name], total(read()));
  const go = (step) => change(model, { [name]: step });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; tell(); };
  const tell = () => {
    play.textContent = timer ? "Pause" : "Play";
    // A screen reader need not hear every frame; it hears the last one.
    node.closest(".ab-live")?.querySelector(".ab-readouts").setAttribute("aria-live", timer ? "off" : "polite");
  };
  const start = () => {
    const all = total(read());
    const stride = Math.ceil(all / 80); // a long way takes no more than 80 frames
    let expected = at() === all ? 0 : at();
    go(expected);
    timer = setInterval(() => {
      if (!node.isConnected || at() !== expected || expected === total(read())) return stop();
      expected = Math.min(expected + stride, all);
      go(expected);
    }, clamp(12000 / all, 150, 900));
    tell();
  };
  const input = html("input", { type: "range", id, min: 0, step: 1, "data-state-name": name, oninput: () => go(Number(input.value)) });
  const shown = html("span", { class: "ab-value-shown", "aria-hidden": "true" });
  const play = html("button", { type: "button", onclick: () => (timer ? stop() : start()) }, "Play");
  const next = html("button", { type: "button", onclick: () => go(Math.min(at() + 1, total(read()))) }, "Next");
  const node = html("div", { class: "ab-control ab-stepper" }, html("label", { for: id }, words), input, shown,
    html("span", { class: "ab-buttons" }, ...(still ? [] : [play]), next));
  return { node, refresh: (state) => {
    const [step, all] = [at(), total(state)];
    input.max = all;
    input.value = step;
    input.setAttribute("aria-valuetext", show(step, all));
    shown.textContent = show(step, all);
  } };
};

// Buttons that set the state. items: [[words, {name: value}], …]; a function of the state will do too.
const presets = (items, { label: words = "Show" } = {}) => ({ model, read }) => ({
  node: html("div", { class: "ab-presets", role: "group", "aria-label": words }, ...items.map(([shown, state]) =>
    html("button", { type: "button", onclick: () => change(model, typeof state === "function" ? state(read()) : state) }, shown))),
  refresh: () => {} });

function change(model, state) {
  for (const [name, value] of Object.entries(state)) model.set(name, value === Infinity ? "inf" : value);
  model.save_changes();
}

// ---- the figure ---------------------------------------------------------------------------------

function figure({ model, el, title, legend = [], controls = [], more = [], readouts = [], height, compute, draw, handles = () => [] }) {
  const read = () => Object.fromEntries(names.map((n) => [n, model.get(n) === "inf" ? Infinity : model.get(n)]));
  const names = model.get("_names"); // the state; an anywidget model cannot list it itself
  const start = structuredClone(read());
  const titleId = unique("title");
  const stage = svg("svg", { class: "ab-stage", role: "group", "aria-labelledby": titleId });
  const under = svg("g"); // kept from frame to frame: a drawing replaces what is in it when it must
  const layer = svg("g");
  const top = svg("g");
  stage.append(under, layer, top);
  const built = [controls, more].map((list) => list.map((make) => make({ model, read, id: unique("control") })));
  const outputs = readouts.map(({ name, label: words, digits = 3, unit = "", role = "", show = null }) => {
    const output = html("output", { "data-name": name, class: role && `ab-${role}-text` });
    return { node: html("span", { class: "ab-readout" }, `${words} `, output), name,
      set: (v) => { output.textContent = (show ? show(v) : text(v, digits)) + (unit && ` ${unit}`); } };
  });
  const said = html("p", { class: "ab-said", "aria-live": "polite" });
  const reset = html("button", { type: "button", class: "ab-reset", onclick: () => change(model, structuredClone(start)) }, "Reset");
  const root = html("figure", { class: "ab-live" },
    html("figcaption", { class: "ab-title", id: titleId }, title),
    html("p", { class: "ab-legend" }, ...legend.map(([role, words]) => html("span", {},
      svg("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" }, marker(role, 0, 0, 5)), words))),
    stage,
    html("div", { class: "ab-controls" }, ...built[0].map((c) => c.node), reset),
    ...(more.length ? [html("details", { class: "ab-more" }, html("summary", {}, "More"),
      html("div", { class: "ab-controls" }, ...built[1].map((c) => c.node)))] : []),
    html("div", { class: "ab-readouts", role: "group", "aria-label": "Read-outs", "aria-live": "polite" }, ...outputs.map((o) => o.node)),
    said);
  el.replaceChildren(root);

  const grips = new Map(); // handles stay the same elements while everything else is drawn anew
  const memory = {}; // what a drawing wants to keep between two frames, such as a heatmap's cell
  const say = (words) => { said.textContent = words; };
  function refresh() {
    const state = read();
    const width = clamp(Math.round(stage.clientWidth || el.clientWidth || 640), 280, 900);
    const tall = typeof height === "function" ? height(width) : height;
    stage.setAttribute("viewBox", `0 0 ${width} ${tall}`);
    stage.style.height = `${tall}px`;
    const numbers = compute(state);
    const ctx = { state, numbers, width, height: tall, under, layer, say, memory, narrow: width < 520, set: (s) => change(model, s) };
    const focused = layer.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    layer.replaceChildren();
    draw(ctx);
    if (focused) [...layer.querySelectorAll("[tabindex]")].find((n) => n.getAttribute("aria-label") === focused)?.focus();
    place(handles(ctx), ctx);
    for (const control of built.flat()) control.refresh(state);
    for (const output of outputs) output.set(numbers[output.name]);
    root.dataset.numbers = JSON.stringify(numbers, (_, v) => (v === Infinity ? "inf" : v));
  }

  // A handle: {id, role, label, at: [px, py], move(px, py), step: [dx, dy] pixels, value: words}
  function place(list) {
    for (const [id, grip] of grips) if (!list.some((h) => h.id === id)) { grip.node.remove(); grips.delete(id); }
    for (const handle of list) {
      if (!grips.has(handle.id)) grips.set(handle.id, makeGrip(handle));
      const grip = grips.get(handle.id);
      grip.handle = handle;
      grip.node.setAttribute("transform", `translate(${handle.at[0].toFixed(2)},${handle.at[1].toFixed(2)})`);
      grip.node.setAttribute("aria-valuetext", handle.value);
      grip.node.setAttribute("aria-valuenow", handle.now ?? 0);
    }
  }
  function makeGrip({ id, role, label: words, range: [low, high] = [-10, 10], mark = null }) {
    const node = svg("g", { class: "ab-handle", tabindex: 0, role: "slider", "aria-label": words,
      "aria-valuemin": low, "aria-valuemax": high, "data-handle": id },
    svg("circle", { r: 22, class: "ab-hit" }), mark ?? marker(role, 0, 0, 9));
    const grip = { node };
    const local = (event) => {
      const box = stage.getBoundingClientRect();
      const ratio = stage.viewBox.baseVal.width / box.width;
      return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    };
    let offset = null;
    grip.away = ([x, y]) => Math.hypot(grip.handle.at[0] - x, grip.handle.at[1] - y);
    grip.take = (event) => {
      node.setPointerCapture(event.pointerId);
      const [x, y] = local(event);
      offset = [grip.handle.at[0] - x, grip.handle.at[1] - y];
      node.focus();
    };
    // Where hit areas overlap, the nearest handle is meant; of equally near ones, the one on top.
    node.addEventListener("pointerdown", (event) => {
      const nearest = [...grips.values()].reduce((best, other) => (other.away(local(event)) < best.away(local(event)) ? other : best), grip);
      nearest.take(event);
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (!offset) return;
      const [x, y] = local(event);
      grip.handle.move(x + offset[0], y + offset[1]);
    });
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => { offset = null; });
    node.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
      if (dx === undefined) return;
      event.preventDefault();
      const reach = event.shiftKey ? 5 : 1;
      const [sx, sy] = grip.handle.step;
      grip.handle.move(grip.handle.at[0] + dx * reach * sx, grip.handle.at[1] + dy * reach * sy);
    });
    top.append(node);
    return grip;
  }

  names.forEach((n) => model.on(`change:${n}`, schedule));
  // Several names may change at once (a preset): draw once, when the last has.
  let due = false;
  function schedule() {
    if (due) return;
    due = true;
    queueMicrotask(() => { due = false; refresh(); });
  }
  const observer = new ResizeObserver(() => { if (Math.abs(stage.clientWidth - stage.viewBox.baseVal.width) > 1 && stage.clientWidth >= 280) refresh(); });
  refresh();
  observer.observe(stage);
  return () => {
    observer.disconnect();
    names.forEach((n) => model.off(`change:${n}`, schedule));
  };
}

// ---- the static page: a model without a kernel --------------------------------------------------

class PageModel {
  constructor(state) { this.state = state; this.listeners = {}; }
  get(name) { return name === "_names" ? Object.keys(this.state) : this.state[name]; }
  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    (this.listeners[`change:${name}`] ?? []).forEach((f) => f());
  }
  on(event, f) { (this.listeners[event] ??= []).push(f); }
  off(event, f) { this.listeners[event] = (this.listeners[event] ?? []).filter((g) => g !== f); }
  save_changes() {}
}

// Bring every figure of one kind on the page to life. A link such as
// <a href="#figure-temperature" data-set='{"temperature": 0.1}'>T = 0.1</a> in the text sets its state.
function mount(name, draw) {
  // A figure in view wakes at once, the others when the browser has nothing else to do.
  const later = window.requestIdleCallback ?? setTimeout;
  for (const place of document.querySelectorAll(`[data-figure="${name}"]`)) {
    const seen = place.getBoundingClientRect().top < innerHeight;
    if (seen) wake(place, draw); else later(() => wake(place, draw));
  }
}

function wake(place, draw) {
  const model = new PageModel(JSON.parse(place.dataset.state));
  const host = html("div");
  place.append(host); // measured where it will stand; the still picture goes when all is drawn
  draw({ model, el: host });
  place.querySelector(":scope > .ab-static").remove();
  place.abModel = model;
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-set]");
    if (!link || link.hash !== `#${place.id}`) return;
    event.preventDefault();
    change(model, JSON.parse(link.dataset.set));
    const box = place.getBoundingClientRect();
    if (box.bottom < 80 || box.top > innerHeight - 80) place.scrollIntoView({ block: "center" });
  });
}
