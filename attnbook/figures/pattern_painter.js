// Pattern painter: who may look at whom among 64 tokens, the blocks that holds, and its reach.
const [N, BLOCK, LAYERS, WIDTH] = [64, 8, 6, 64];

// mulberry32, number for number as in attnbook/figures/_draws.py.
function uniforms(seed, count) {
  let state = seed;
  return range(count).map(() => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  });
}
// Each row: all keys in random order, so that one random key more keeps those that were there.
const rankings = {};
function ranking(n) {
  rankings[n] ??= (() => {
    const draws = uniforms(7, n * n);
    return range(n).map((i) => range(n).sort((a, b) => draws[i * n + a] - draws[i * n + b]));
  })();
  return rankings[n];
}

// Who may look at whom, as rows of 0 and 1, by the same rules as attnbook.patterns.
let painted = { key: null };
function paint({ half, gap, num_global, num_random, stride, blocks, causal }) {
  const key = [half, gap, num_global, num_random, stride, blocks, causal].join();
  if (painted.key === key) return painted;
  const unit = blocks ? BLOCK : 1;
  const n = N / unit;
  const drawn = ranking(n).map((row) => new Set(row.slice(0, num_random)));
  const small = range(n).map((p) => range(n).map((k) => Math.abs(p - k) <= half * gap && (p - k) % gap === 0
    || p < num_global || k < num_global || (stride > 0 && (p - k) % stride === 0) || drawn[p].has(k)));
  const mask = range(N).map((i) => range(N).map((j) => small[Math.floor(i / unit)][Math.floor(j / unit)] && !(causal && j > i)));
  const keys = mask.map((row) => range(N).filter((j) => row[j]));
  const squares = range(N / BLOCK).map((a) => range(N / BLOCK).map((b) =>
    range(BLOCK).some((i) => keys[a * BLOCK + i].some((j) => Math.floor(j / BLOCK) === b))));
  painted = { key, mask, keys, squares, first: range(N).map((i) => reached(keys, i)) };
  return painted;
}
// In how many layers a query hears of each key: 0 for never.
function reached(keys, query) {
  const first = new Array(N).fill(0);
  for (let layer = 1, edge = [query], at = true; at; layer += 1) {
    const next = [];
    for (const i of edge) for (const j of keys[i]) if (!first[j]) { first[j] = layer; next.push(j); }
    // The query itself is seen in layer 1 and is looked from only once.
    edge = next.filter((j) => j !== query);
    at = edge.length > 0;
  }
  return first;
}

function compute(state) {
  const { keys, squares, first } = paint(state);
  const pairs = sum(keys.map((row) => row.length));
  const possible = (i) => (state.causal ? i + 1 : N);
  const whole = (i) => first[i].filter((l) => l > 0).length === possible(i);
  const own = first[state.query];
  return { pairs, density: pairs / N ** 2, blocks_density: sum(squares.flat().map(Number)) / (N / BLOCK) ** 2, flops: 4 * pairs * WIDTH,
    share: pairs / sum(range(N).map(possible)), reach: range(LAYERS).map((l) => own.filter((f) => f > 0 && f <= l + 1).length),
    layers: whole(state.query) ? Math.max(...own) : null, layers_all: range(N).every(whole) ? Math.max(...first.flat()) : null };
}

// The square, and the layers beside it, or beneath it on a phone with the keys in line.
function plan(width) {
  const narrow = width < 560;
  const side = narrow ? width - 44 : Math.min(330, Math.round(width * 0.45));
  const square = { x: 34, y: 30, side };
  const layers = narrow ? { x: 34, y: side + 62, side } : { x: side + 100, y: 30, side: Math.min(side, width - side - 110) };
  const pitch = narrow ? 34 : Math.floor(side / LAYERS);
  return { square, layers, pitch, height: layers.y + pitch * LAYERS + 46 };
}

const runs = (row) => {
  const found = [];
  row.forEach((on, j) => { if (on) { if (j && row[j - 1]) found.at(-1)[1] = j + 1; else found.push([j, j + 1]); } });
  return found;
};
const boxes = (row, at, y, height) => runs(row).map(([a, b]) => `M${at(a).toFixed(2)},${y.toFixed(2)}H${at(b).toFixed(2)}v${height.toFixed(2)}H${at(a).toFixed(2)}Z`).join("");
const crisp = { "shape-rendering": "crispEdges" };

function drawSquare({ state, layer }, { x, y, side }) {
  const { mask, squares } = paint(state);
  const [at, cell] = [linear([0, N], [x, x + side]), side / N];
  const hair = range(N / BLOCK - 1).map((b) => ((b + 1) * side * BLOCK) / N);
  layer.append(
    svg("path", { d: squares.map((row, b) => boxes(row, linear([0, N / BLOCK], [x, x + side]), y + b * BLOCK * cell, BLOCK * cell)).join(""), style: "fill: var(--ab-rule)", opacity: 0.55, ...crisp }),
    svg("path", { d: hair.map((h) => `M${x + h},${y}v${side}M${x},${y + h}h${side}`).join(""), class: "ab-hair" }),
    svg("path", { d: mask.map((row, i) => boxes(row, at, y + i * cell, cell)).join(""), class: "ab-weight", ...crisp }),
    svg("rect", { x, y, width: side, height: side, class: "ab-outline" }),
    svg("rect", { x: x - 1, y: y + state.query * cell - 1, width: side + 2, height: cell + 2, class: "ab-query-line", style: "stroke-width: 1.5" }),
    label(x + side / 2, y - 12, "64 keys", { class: "ab-key-text", "text-anchor": "middle" }),
    label(0, 0, "64 queries", { class: "ab-query-text", "text-anchor": "middle", transform: `translate(${x - 20},${y + side / 2}) rotate(-90)` }),
    label(x, y + side + 18, "grey: a block of 8 × 8 that is visited", { class: "ab-muted-text" }));
}

function drawLayers({ state, numbers, layer }, { x, y, side }, pitch) {
  const own = paint(state).first[state.query];
  const at = linear([0, N], [x, x + side]);
  const possible = state.causal ? state.query + 1 : N;
  range(LAYERS).forEach((l) => {
    const [top, tall] = [y + l * pitch + 16, pitch - 20];
    const before = own.map((f) => f > 0 && f <= l);
    layer.append(svg("rect", { x, y: top, width: side, height: tall, class: "ab-outline" }),
      svg("path", { d: boxes(before, at, top, tall), class: "ab-weight", opacity: 0.35, ...crisp }),
      svg("path", { d: boxes(own.map((f) => f === l + 1), at, top, tall), class: "ab-weight", ...crisp }),
      label(x, top - 4, `after ${l + 1} layer${l ? "s" : ""}: ${numbers.reach[l]} of ${possible} keys`));
  });
  const foot = y + LAYERS * pitch;
  layer.append(svg("path", { d: `M${at(state.query + 0.5)},${y + 16}V${foot}`, class: "ab-query-line ab-dashed", style: "stroke-width: 1" }),
    axis(linear([0, N - 1], [at(0.5), at(N - 0.5)]), { at: foot + 4, values: [0, 16, 32, 48, 63], digits: 0 }));
}

const percent = (x) => `${text(100 * x, 1)} %`;
const never = (layers) => (layers === null ? "never" : text(layers, 0));
const NONE = { half: 0, gap: 1, num_global: 0, num_random: 0, stride: 0, blocks: false, causal: false };

function render({ model, el }) {
  return figure({
    model, el,
    title: "A few pairs are allowed, more blocks are visited, and layers carry the rest",
    legend: [["query", "the query that is followed: drag it"], ["weight", "may look; pale: heard of before"]],
    controls: [
      presets([["Window", { ...NONE, half: 3 }], ["Dilated", { ...NONE, half: 3, gap: 4 }], ["Strided", { ...NONE, half: 7, stride: 8, causal: true }],
        ["Longformer", { ...NONE, half: 3, num_global: 1 }], ["Random", { ...NONE, num_random: 7 }],
        ["BigBird", { ...NONE, half: 1, num_global: 1, num_random: 1, blocks: true }], ["Full", { ...NONE, half: 64 }]]),
      slider("half", { label: "Neighbours on each side", min: 0, max: 16, step: 1, digits: 0 }),
      slider("num_global", { label: "Global", min: 0, max: 8, step: 1, digits: 0 }),
    ],
    more: [
      slider("num_random", { label: "Random keys", min: 0, max: 8, step: 1, digits: 0 }),
      slider("gap", { label: "Dilation of the window", min: 1, max: 16, step: 1, digits: 0 }),
      slider("stride", { label: "Every so many-th key", min: 0, max: 16, step: 1, show: (v) => (v ? text(v, 0) : "none") }),
      toggle("causal", { label: "causal" }),
      toggle("blocks", { label: "count blocks of 8, not tokens" }),
    ],
    readouts: [
      { name: "pairs", label: "pairs", digits: 0, role: "weight" },
      { name: "share", label: "of dense", show: percent },
      { name: "flops", label: "operations, d = 64", show: (f) => `${text(f / 1e6)} M` },
      { name: "blocks_density", label: "blocks visited", show: percent },
      { name: "layers", label: "layers until this query hears of all", show: never, role: "query" },
      { name: "layers_all", label: "until each does", show: never },
    ],
    height: (width) => plan(width).height,
    compute,
    draw: (ctx) => {
      const { square, layers, pitch } = plan(ctx.width);
      drawSquare(ctx, square);
      drawLayers(ctx, layers, pitch);
    },
    handles: ({ state, numbers, width, set }) => {
      const { x, y, side } = plan(width).square;
      const cell = side / N;
      return [{ id: "query", role: "query", label: "the query that is followed", at: [x + side + 4, y + (state.query + 0.5) * cell], step: [4 * cell, cell],
        now: state.query, range: [0, N - 1], value: `query ${state.query}: ${numbers.reach[0]} keys in one layer, ${numbers.reach[1]} in two`,
        mark: marker("query", 0, 0, 6),
        // Down is later, and so is right, by key or by a wide sweep.
        move: (px, py) => set({ query: clamp(Math.floor((py - y) / cell) + Math.round((px - x - side - 4) / (4 * cell)), 0, N - 1) }) }];
    },
  });
}
export default { render };
