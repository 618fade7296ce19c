// Paint a mask: weights, pairs that look ahead, and empty rows, at once.
const [MOST_ROWS, CELL, FILL] = [5, 40, -1e9];

// Where a pattern believes query i to stand, and where it stands: the queries are the last positions.
const believed = ({ n_q, n_k, align }, i) => i + (align === "lower" ? n_k - n_q : 0);
const stands = ({ n_q, n_k }, i) => i + n_k - n_q;
const ahead = (state, i, j) => j > stands(state, i);

const documentOf = (p, n_k) => (p < 0 || p >= n_k ? -1 : Number(p >= Math.ceil(n_k / 2)));
const RULES = {
  all: () => true,
  causal: (p, j) => j <= p,
  window: (p, j) => j <= p && j >= p - 2,
  padding: (p, j, n_k) => j < n_k - 2,
  left: (p, j) => j <= p && j >= 2,
  documents: (p, j, n_k) => j <= p && documentOf(p, n_k) === documentOf(j, n_k),
};
const grown = (state, make) => range(state.n_q).map((i) => range(state.n_k).map((j) => make(i, j)));

function compute(state) {
  const { n_q, n_k, pattern, flips, fill } = state;
  const mask = grown(state, (i, j) => Number(RULES[pattern](believed(state, i), j, n_k)));
  for (const [i, j] of flips) if (i >= 0 && i < n_q && j >= 0 && j < n_k) mask[i][j] = 1 - mask[i][j];
  const weights = mask.map((row, i) => {
    const scores = row.map((_, j) => 1.5 * Math.sin(1 + 2 * i + 3 * j));
    if (fill === "finite") return softmax(scores.map((s, j) => (row[j] ? s : Math.fround(Math.fround(s) + FILL))));
    if (!row.includes(1)) return row.map(() => (fill === "nan" ? NaN : 0));
    return softmax(scores.map((s, j) => (row[j] ? s : -Infinity)));
  });
  const count = (test) => sum(mask.flatMap((row, i) => row.map((allowed, j) => Number(test(allowed, ahead(state, i, j))))));
  return { mask, weights, allowed: count((allowed) => allowed), leaks: count((allowed, later) => allowed && later),
    blind: count((allowed, later) => !allowed && !later), empty: mask.filter((row) => !row.includes(1)).length,
    ahead: Math.max(...weights.map((row, i) => sum(row.map((w, j) => (ahead(state, i, j) ? w || 0 : 0))))) };
}

// Mask and weights beside each other, or above each other on a phone.
function plan(width, n_k) {
  const narrow = width < 560;
  const across = (narrow ? width : width / 2) - 120;
  const panel = (left, top) => ({ x: left + 68, y: top + 40 });
  const tall = MOST_ROWS * CELL + 62;
  return { cell: Math.min(CELL, Math.floor(across / n_k)), panels: narrow ? [panel(0, 0), panel(0, tall)] : [panel(0, 0), panel(width / 2, 0)],
    height: narrow ? 2 * tall : tall };
}

// Cells that are read by pointer or arrow keys, and painted by pointer, space or enter if `paint` is given.
function cells({ x, y, cell, state, name, look, words, say, memory, paint = null }) {
  const group = svg("g", { class: "ab-heatmap", tabindex: 0, role: "group", "aria-label": name, style: paint && "cursor: pointer" });
  const ring = svg("rect", { class: "ab-cell-ring", width: cell, height: cell, visibility: "hidden" });
  const show = ([i, j]) => {
    memory.at = [i, j];
    for (const [key, value] of Object.entries({ x: x + j * cell, y: y + i * cell, visibility: "visible" })) ring.setAttribute(key, value);
    say(words(i, j));
  };
  const at = (event) => event.target.dataset.at?.split(",").map(Number);
  grown(state, (i, j) => group.append(svg("rect", { x: x + j * cell, y: y + i * cell, width: cell, height: cell, class: "ab-hair", "data-at": [i, j], ...look(i, j) })));
  group.append(ring);
  group.addEventListener("pointerover", (event) => {
    if (!at(event)) return;
    show(at(event));
    if (paint && event.buttons === 1 && memory.brush !== undefined) paint(at(event), memory.brush);
  });
  group.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const fill = paint && [" ", "Enter"].includes(event.key);
    if (!step && !fill) return;
    event.preventDefault();
    const [i, j] = memory.at ?? [0, 0];
    if (fill) return paint([clamp(i, 0, state.n_q - 1), clamp(j, 0, state.n_k - 1)]);
    show([clamp(i + step[0], 0, state.n_q - 1), clamp(j + step[1], 0, state.n_k - 1)]);
  });
  if (paint) {
    // A mouse paints while it is held. A finger taps: where it slides, the page scrolls.
    group.addEventListener("pointerdown", (event) => {
      memory.touch = event.pointerType === "touch";
      if (memory.touch || event.button !== 0 || !at(event)) return;
      group.focus({ preventScroll: true });
      paint(at(event));
    });
    group.addEventListener("click", (event) => memory.touch && at(event) && paint(at(event)));
  }
  if (memory.tell) show(memory.at);
  memory.tell = false;
  return group;
}

function drawPanel({ state, layer, narrow }, { x, y }, cell, title, corner) {
  layer.append(label(x, y - 24, title, { class: "ab-name" }), label(x + (state.n_k * cell), y - 24, corner, { class: "ab-muted-text", "text-anchor": "end" }),
    label(x - 8, y - 7, "query (at)", { "text-anchor": "end", class: "ab-query-text" }),
    label(x + state.n_k * cell + 8, y - 7, "key", { class: "ab-key-text" }),
    ...range(state.n_k).map((j) => label(x + (j + 0.5) * cell, y - 7, j, { "text-anchor": "middle" })),
    ...range(state.n_q).map((i) => label(x - 8, y + (i + 0.5) * cell + 4, `${i} (${text(stands(state, i), 0)})`, { "text-anchor": "end" })));
}

function draw(ctx) {
  const { state, numbers: { mask, weights }, layer, width, say, memory, set } = ctx;
  const { cell, panels: [left, right] } = plan(width, state.n_k);
  memory.mask ??= {};
  memory.weights ??= {};
  const leak = (i, j) => mask[i][j] && ahead(state, i, j);
  const names = (i, j) => `query ${i} at position ${text(stands(state, i), 0)}, key ${j}`;
  const paint = ([i, j], wanted = 1 - mask[i][j]) => {
    if (mask[i][j] === wanted) return;
    Object.assign(memory.mask, { at: [i, j], brush: wanted, tell: true });
    const others = state.flips.filter(([a, b]) => a !== i || b !== j);
    set({ flips: others.length < state.flips.length ? others : [...others, [i, j]] });
  };
  drawPanel(ctx, left, cell, "Mask", "click, or space, to paint");
  layer.append(cells({ ...left, cell, state, say, paint, memory: memory.mask, name: "Mask: arrow keys move, space allows or forbids a pair",
    look: (i, j) => ({ style: mask[i][j] ? "fill: var(--ab-muted); fill-opacity: 0.4" : "fill: var(--ab-page)" }),
    words: (i, j) => `${names(i, j)}: ${mask[i][j] ? "may attend" : "may not attend"}${leak(i, j) ? ", a leak" : ""}` }));
  drawPanel(ctx, right, cell, "Weights", "");
  layer.append(cells({ ...right, cell, state, say, memory: memory.weights, name: "Weights: arrow keys read the cells",
    look: (i, j) => ({ style: `fill: var(--ab-weight); fill-opacity: ${(weights[i][j] || 0).toFixed(3)}` }),
    words: (i, j) => `${names(i, j)}: weight ${Number.isNaN(weights[i][j]) ? "NaN" : text(weights[i][j], 3)}` }));
  grown(state, (i, j) => {
    const [dx, dy, w] = [(j + 0.5) * cell, (i + 0.5) * cell, weights[i][j]];
    if (leak(i, j)) layer.append(label(left.x + dx, left.y + dy + 6, "!", { "text-anchor": "middle", style: "font-weight: 700; font-size: 17px", "pointer-events": "none" }));
    if (cell >= 28) layer.append(label(right.x + dx, right.y + dy + 4, Number.isNaN(w) ? "NaN" : w === 0 ? "0" : text(w),
      { "text-anchor": "middle", class: w > 0.6 ? "ab-on-weight" : "", "pointer-events": "none", style: "font-size: 11px" }));
  });
  mask.forEach((row, i) => !row.includes(1) && layer.append(label(left.x + state.n_k * cell + 8, left.y + (i + 0.5) * cell + 4, "empty", { style: "font-weight: 600" })));
  // The line between each query's past and its future.
  for (const { x, y } of [left, right]) {
    const edge = (i) => x + clamp(stands(state, i) + 1, 0, state.n_k) * cell;
    layer.append(svg("path", { class: "ab-line", "stroke-dasharray": "5 3", "pointer-events": "none",
      d: `M${edge(0)},${y}` + range(state.n_q).map((i) => `H${edge(i)}v${cell}`).join("") }),
    svg("rect", { x, y, width: state.n_k * cell, height: state.n_q * cell, class: "ab-outline" }));
  }
  layer.append(colourScale({ x: right.x + state.n_k * cell + 10, y: right.y, height: Math.max(2, state.n_q) * cell, domain: [0, 1], name: "weight", digits: 0 }));
}

const start = (pattern, other = {}) => ({ pattern, flips: [], ...other });

function render({ model, el }) {
  return figure({
    model, el,
    title: "Paint who may look at whom: weights, leaks (!) and empty rows follow",
    legend: [["query", "query, and the position at which it stands"], ["key", "key"], ["weight", "weight; right of the dashed line: the future"]],
    controls: [
      choice("align", { label: "Align to", options: [["lower", "lower right"], ["upper", "upper left"]] }),
      slider("n_q", { label: "Queries", min: 1, max: MOST_ROWS, step: 1, digits: 0 }),
      slider("n_k", { label: "Keys", min: 1, max: 8, step: 1, digits: 0 }),
    ],
    more: [
      presets([["All", start("all")], ["Causal", start("causal")], ["Window of 3", start("window")], ["Padding right", start("padding")],
        ["Padding left", start("left")], ["Two documents", start("documents")]], { label: "Patterns" }),
      choice("fill", { label: "A forbidden score becomes", options: [["zero", "−∞; an empty row gives 0"], ["nan", "−∞; plain softmax"], ["finite", "its value − 10⁹, float32"]] }),
    ],
    readouts: [
      { name: "allowed", label: "allowed pairs", digits: 0 },
      { name: "leaks", label: "leaks", digits: 0 },
      { name: "blind", label: "past pairs hidden", digits: 0 },
      { name: "empty", label: "empty rows", digits: 0 },
      { name: "ahead", label: "most weight on the future", digits: 2, role: "weight" },
    ],
    height: (width) => plan(width, 1).height,
    compute,
    draw,
  });
}
export default { render };
