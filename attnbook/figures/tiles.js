// Tiles: for each tile of queries all tiles of keys go by; what is kept, and what is moved.
const [BYTES, SUM_BYTES, KIB] = [2, 4, 1024];
const ceil = (a, b) => Math.ceil(a / b);

// Tiles of keys that each tile of queries visits; before[r]: tiles done when row r begins.
let laid = { key: null };
function layout({ n, block_q, block_k, causal }) {
  const key = [n, block_q, block_k, causal].join();
  if (laid.key === key) return laid;
  const stops = range(ceil(n, block_q)).map((r) => Math.min((r + 1) * block_q, n));
  const tiles = stops.map((stop) => ceil(causal ? stop : n, block_k));
  const before = [0];
  tiles.forEach((t) => before.push(before.at(-1) + t));
  laid = { key, stops, tiles, before, total: before.at(-1) };
  return laid;
}
// The row of tiles worked on, and how many tiles of keys it has done.
function placeOf(state) {
  const { before, total } = layout(state);
  const step = Math.min(state.step, total);
  const row = Math.max(0, before.findIndex((b) => b >= step) - 1);
  return { row, done: step - before[row] };
}

// What does not depend on the query: the waves in the scores, and the values.
let waves = { n: null };
function wavesOf(n) {
  if (waves.n !== n) waves = { n, scores: Float64Array.from(range(n), (j) => 0.8 * Math.sin((40 * j) / n)), values: Float64Array.from(range(n), (j) => Math.cos((2 * Math.PI * j) / n)) };
  return waves;
}

// The last query of the tile: its running maximum, sum and output after each tile of keys.
let walked = { key: null };
function walk(state, row) {
  const { n, block_q, block_k, causal } = state;
  const { stops, tiles } = layout(state);
  const key = [n, block_q, block_k, causal, row].join();
  if (walked.key === key) return walked;
  const last = stops[row] - 1;
  const keys = causal ? last + 1 : n;
  const { scores: wave, values } = wavesOf(n);
  const scores = new Float64Array(keys);
  for (let j = 0; j < keys; j += 1) scores[j] = 3 * Math.exp(-(((j - last) / n / 0.2) ** 2)) + wave[j];
  let [m, l, o] = [-Infinity, 0, 0];
  const steps = [];
  for (let tile = 0; tile < tiles[row]; tile += 1) {
    const [start, stop] = [tile * block_k, Math.min((tile + 1) * block_k, keys)];
    const higher = Math.max(m, ...scores.subarray(start, stop));
    const factor = Math.exp(m - higher);
    [m, l, o] = [higher, l * factor, o * factor];
    for (let j = start; j < stop; j += 1) {
      const p = Math.exp(scores[j] - m);
      l += p;
      o += p * values[j];
    }
    steps.push({ maximum: m, factor, sum: l, output: o / l });
  }
  walked = { key, scores, keys, steps };
  return walked;
}

const naive = (q, { n, head_width: d }) => BYTES * ((q + n) * 2 * d + 4 * q * n);
const parts = ({ block_q, block_k, head_width: d }) => [["q", BYTES * block_q * d, "query"], ["k", BYTES * block_k * d, "key"], ["v", BYTES * block_k * d, "value"],
  ["o", SUM_BYTES * block_q * d, "value"], ["scores", SUM_BYTES * block_q * block_k, "weight"], ["m, l", SUM_BYTES * 2 * block_q, "muted"]];

function compute(state) {
  const { n, block_k, head_width: d, fast_memory } = state;
  const { stops, tiles, before, total } = layout(state);
  const { row, done } = placeOf(state);
  // A row of tiles reads its queries once and keys and values tile by tile; it writes at the end.
  const moved = (r, c) => {
    const queries = stops[r] - (stops[r - 1] ?? 0);
    return c === 0 ? 0 : BYTES * d * (queries + 2 * Math.min(c * block_k, n)) + (c === tiles[r] ? queries * (BYTES * d + SUM_BYTES) : 0);
  };
  const whole = tiles.map((t, r) => moved(r, t));
  const [tiledTotal, unfusedTotal] = [sum(whole), naive(n, state)];
  const { steps } = walk(state, row);
  const need = sum(parts(state).map(([, bytes]) => bytes));
  return { row: row + 1, column: done, done: before[row] + done, total, skipped: tiles.length * ceil(n, block_k) - total,
    ...(steps[done - 1] ?? { maximum: -Infinity, factor: NaN, sum: 0, output: 0 }), exact: steps.at(-1).output,
    tiled: sum(whole.slice(0, row)) + moved(row, done), unfused: done ? naive(stops[row], state) : 0,
    tiled_total: tiledTotal, unfused_total: unfusedTotal, ratio: unfusedTotal / tiledTotal, tile_bytes: need, fits: need <= fast_memory * KIB };
}

const size = (bytes) => (bytes < KIB ** 2 ? `${text(bytes / KIB, bytes && bytes < 10 * KIB ? 1 : 0)} KiB` : bytes < KIB ** 3 ? `${text(bytes / KIB ** 2)} MiB` : `${text(bytes / KIB ** 3)} GiB`);

// The square of tiles beside the row's three panels, or above them on a phone; bars beneath.
function plan(width) {
  const narrow = width < 560;
  const side = narrow ? Math.min(300, width - 50) : Math.min(310, Math.round(width * 0.43));
  const square = { x: 34, y: 30, side };
  const [left, top, tall, pitch] = narrow ? [56, side + 92, 70, 92] : [34 + side + 76, 30, Math.round((side - 44) / 3), Math.round((side - 44) / 3) + 22];
  return { narrow, square, left, right: width - 50, panels: [0, 1, 2].map((i) => [top + i * pitch + tall, top + i * pitch]),
    bars: narrow ? top + 2 * pitch + tall + 66 : side + 86, height: (narrow ? top + 2 * pitch + tall + 66 : side + 86) + 118 };
}

function drawSquare({ state, layer }, { x, y, side }) {
  const { n, block_q, block_k } = state;
  const laidOut = layout(state);
  const { stops, tiles } = laidOut;
  const { row, done } = placeOf(state);
  const at = linear([0, n], [0, side]);
  const box = (r, from, to) => {
    const [top, bottom] = [at(stops[r - 1] ?? 0), at(stops[r])];
    return to > from ? `M${(x + at(from * block_k)).toFixed(2)},${(y + top).toFixed(2)}V${(y + bottom).toFixed(2)}H${(x + at(Math.min(to * block_k, n))).toFixed(2)}V${(y + top).toFixed(2)}Z` : "";
  };
  const across = ceil(n, block_k);
  if (laidOut.side !== side) Object.assign(laidOut, { side, rows: tiles.map((t, r) => box(r, 0, t)), skipped: tiles.map((t, r) => box(r, t, across)).join("") });
  layer.append(svg("path", { d: laidOut.skipped, style: "fill: var(--ab-rule)", opacity: 0.55 }),
    svg("path", { d: laidOut.rows.slice(0, row).join("") + box(row, 0, done - 1), class: "ab-weight", opacity: 0.3 }),
    svg("path", { d: box(row, Math.max(0, done - 1), done), class: "ab-weight" }));
  if (at(block_q) >= 4 && at(block_k) >= 4) layer.append(svg("path", { class: "ab-hair",
    d: stops.slice(0, -1).map((stop) => `M${x},${(y + at(stop)).toFixed(1)}h${side}`).join("") + range(across - 1).map((c) => `M${(x + at((c + 1) * block_k)).toFixed(1)},${y}v${side}`).join("") }));
  layer.append(svg("rect", { x, y, width: side, height: side, class: "ab-outline" }));
  // Which queries stay, and which keys are passing.
  const [from, to] = [Math.max(0, done - 1) * block_k, Math.min(Math.max(1, done) * block_k, n)];
  layer.append(svg("rect", { x: x - 9, width: 6, y: y + at(stops[row - 1] ?? 0), height: Math.max(2, at(stops[row]) - at(stops[row - 1] ?? 0)), class: "ab-query" }),
    svg("rect", { x: x + at(from), width: Math.max(2, at(to) - at(from)), y: y - 9, height: 6, class: "ab-key" }),
    label(x + side / 2, y - 15, `${n} keys and values`, { "text-anchor": "middle", class: "ab-key-text" }),
    label(0, 0, `${n} queries`, { "text-anchor": "middle", class: "ab-query-text", transform: `translate(${x - 17},${y + side / 2}) rotate(-90)` }),
    label(x, y + side + 18, `tile ${laidOut.before[row] + done} of ${laidOut.total}`),
    label(x + side, y + side + 18, state.causal ? "grey: skipped" : "", { "text-anchor": "end", class: "ab-muted-text" }));
}

function drawRow({ state, numbers, layer }, { left, right, panels }) {
  const { scores, keys, steps } = walk(state, numbers.row - 1);
  const done = numbers.column;
  const x = linear([0, state.n], [left, right]);
  const end = (i) => x(Math.min((i + 1) * state.block_k, keys));
  const [s, l, o] = [linear([-1, 4.6], panels[0]), linear([0, 1.25 * Math.max(...steps.map((p) => p.sum))], panels[1]), linear([-1, 1.3], panels[2])];
  const curve = linspace(0, keys - 1, Math.min(keys, 240)).map(Math.round).map((j) => [x(j), s(scores[j])]);
  const edge = done ? end(done - 1) : left;
  if (done) layer.append(svg("rect", { x: x((done - 1) * state.block_k), width: Math.max(1, edge - x((done - 1) * state.block_k)), y: panels[0][1], height: panels[2][0] - panels[0][1], class: "ab-key", opacity: 0.14 }));
  layer.append(axis(s, { side: "left", at: left, values: [0, 3] }), axis(l, { side: "left", at: left, values: [0, Math.floor(l.domain[1] / 1.25)], digits: 0 }),
    axis(o, { side: "left", at: left, values: [-1, 0, 1] }), axis(x, { at: panels[2][0], name: "keys, as the last query of the tile sees them", values: [0, state.n / 2, state.n], digits: 0 }),
    ...["max m", "sum l", "output"].map((name, i) => label(0, 0, name, { "text-anchor": "middle", transform: `translate(${left - 44},${(panels[i][0] + panels[i][1]) / 2}) rotate(-90)` })),
    ...panels.slice(0, 2).map(([base]) => svg("path", { d: `M${left},${base}H${right}`, class: "ab-hair" })),
    line(curve, { class: "ab-weight-line", style: "stroke-width: 1", opacity: 0.35 }),
    line(curve.filter(([p]) => p <= edge), { class: "ab-weight-line", style: "stroke-width: 1.2" }),
    svg("path", { d: `M${left},${o(numbers.exact)}H${right}`, class: "ab-line ab-dashed", style: "stroke-width: 1" }),
    label(right + 44, panels[2][1] + 2, "dashed: all keys", { class: "ab-muted-text", "text-anchor": "end" }));
  const stairs = (scale, name) => steps.slice(0, done).flatMap((p, i) => [[i ? end(i - 1) : left, scale(p[name])], [end(i), scale(p[name])]]);
  layer.append(line(stairs(s, "maximum"), {}), line(stairs(l, "sum"), { class: "ab-weight-line" }), line(stairs(o, "output"), { class: "ab-value-line" }));
  if (!done) return;
  const value = (scale, name, digits, look) => layer.append(label(edge + 5, scale(numbers[name]) + 4, text(numbers[name], digits),
    { class: look, style: "font-weight: 600; paint-order: stroke; stroke: var(--ab-page); stroke-width: 4px" }));
  value(s, "maximum", 2, "");
  value(l, "sum", numbers.sum < 1000 ? 1 : 0, "ab-weight-text");
  value(o, "output", 2, "ab-value-text");
}

function drawBars({ state, numbers, layer, width, narrow }, y) {
  const scale = linear([0, Math.max(numbers.tiled_total, numbers.unfused_total)], [0, width - 10]);
  [["tiled", narrow ? "moved, tiled" : "moved by the tiled way"], ["unfused", narrow ? "unfused, same queries" : "moved by the unfused way, same queries"]].forEach(([name, words], i) => {
    const top = y + 40 * i;
    layer.append(label(0, top, `${words}: ${size(numbers[name])} of ${size(numbers[`${name}_total`])}`),
      svg("rect", { x: 0, y: top + 6, width: scale(numbers[name]), height: 12, style: "fill: var(--ab-muted)" }),
      svg("rect", { x: 0.5, y: top + 6.5, width: scale(numbers[`${name}_total`]), height: 11, class: "ab-outline", style: "stroke: var(--ab-muted)" }));
  });
  const there = state.fast_memory * KIB;
  const memory = linear([0, Math.max(there, numbers.tile_bytes)], [0, width - 10]);
  let from = 0;
  layer.append(label(0, y + 80, `one tile: ${size(numbers.tile_bytes)}; fast memory: ${size(there)}; ${numbers.fits ? "fits" : "does not fit"}`, { style: numbers.fits ? "" : "font-weight: 600" }));
  for (const [name, bytes, role] of parts(state)) {
    const wide = memory(bytes);
    layer.append(svg("rect", { x: from, y: y + 86, width: Math.max(0.5, wide - 1), height: 20, ...(role === "muted" ? { style: "fill: var(--ab-muted)" } : { class: `ab-${role}` }) }));
    if (wide > 8 * name.length + 4 && Math.abs(from + wide / 2 - memory(there)) > 5 * name.length) layer.append(label(from + wide / 2, y + 100, name, { class: "ab-on-weight", "text-anchor": "middle" }));
    from += wide;
  }
  layer.append(svg("rect", { x: 0.5, y: y + 86.5, width: memory(there) - 1, height: 19, class: "ab-outline", style: "stroke: var(--ab-muted)" }),
    svg("path", { d: `M${memory(there)},${y + 82}v28`, class: "ab-line" }));
}

const SIZES = [16, 32, 64, 128, 256];
const GPUS = { 99: ", as in an RTX 4090", 163: ", as in an A100", 227: ", as in an H100" };

function render({ model, el }) {
  return figure({
    model, el,
    title: "A tile of queries stays, all keys go by, and no matrix is moved",
    legend: [["query", "queries that stay"], ["key", "keys that pass"], ["weight", "scores: this tile; pale: done, gone"], ["value", "output"]],
    controls: [
      stepper("step", { label: "Tile", total: (state) => layout(state).total }),
      slider("block_q", { label: "Queries in a tile", values: SIZES, digits: 0 }),
      slider("block_k", { label: "Keys in a tile", values: SIZES, digits: 0 }),
    ],
    more: [
      slider("n", { label: "Queries and keys n", values: [256, 512, 1000, 1024, 2048, 4096, 8192, 16384], digits: 0 }),
      slider("fast_memory", { label: "Fast memory", values: [16, 32, 48, 64, 99, 128, 163, 227, 256, 512], show: (v) => `${v} KiB${GPUS[v] ?? ""}` }),
      slider("head_width", { label: "Head width d", values: [32, 64, 128, 256], digits: 0 }),
      toggle("causal", { label: "causal" }),
      presets([["Tiles too small to pay", { block_q: 16, block_k: 16, step: 9000 }], ["Tiles too large to fit", { block_q: 256, block_k: 256, step: 38 }]]),
    ],
    readouts: [
      { name: "row", label: "query tile", digits: 0, role: "query" },
      { name: "column", label: "key tile", digits: 0, role: "key" },
      { name: "maximum", label: "maximum m" },
      { name: "factor", label: "rescaled ×", show: (f) => (Number.isNaN(f) ? "none yet" : text(f)) },
      { name: "sum", label: "sum l", digits: 1, role: "weight" },
      { name: "output", label: "output o / l", role: "value" },
      { name: "tiled", label: "tiled", show: size },
      { name: "unfused", label: "unfused", show: size },
      { name: "ratio", label: "unfused / tiled in all", digits: 2 },
      { name: "fits", label: "fits", show: (f) => (f ? "yes" : "no") },
    ],
    height: (width) => plan(width).height,
    compute,
    draw: (ctx) => {
      const where = plan(ctx.width);
      drawSquare(ctx, where.square);
      drawRow(ctx, where);
      drawBars(ctx, where.bars);
    },
    handles: ({ state, width, set }) => {
      const { x, y, side } = plan(width).square;
      const { tiles, before, total } = layout(state);
      const { row, done } = placeOf(state);
      const [w, h] = [(side * state.block_k) / state.n, (side * state.block_q) / state.n];
      const column = Math.max(1, done);
      return [{ id: "tile", role: "weight", label: "the tile being worked on", at: [x + (column - 0.5) * w, y + (row + 0.5) * h], step: [w, h],
        now: before[row] + done, range: [0, total], value: `tile of queries ${row + 1}, tile of keys ${done}`,
        mark: svg("circle", { r: 5, style: "fill: var(--ab-page); stroke: var(--ab-weight); stroke-width: 2" }),
        move: (px, py) => {
          const r = clamp(Math.floor((py - y) / h), 0, tiles.length - 1);
          set({ step: before[r] + clamp(Math.floor((px - x) / w), 0, tiles[r] - 1) + 1 });
        } }];
    },
  });
}
export default { render };
