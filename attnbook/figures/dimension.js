// Dimension: dot products of random vectors spread as √d, and the softmax saturates unless divided.
const [QUERIES, KEYS, WIDTH] = [16, 64, 1024];
const STOPS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];

// mulberry32 and Box-Muller, number for number as in attnbook/figures/_draws.py.
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}
function normals(seed, count) {
  const [next, out] = [uniforms(seed), new Float64Array(count)];
  for (let i = 0; i < count; i += 2) {
    const [radius, angle] = [Math.sqrt(-2 * Math.log(next())), 2 * Math.PI * next()];
    out[i] = radius * Math.cos(angle);
    out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}
let drawn = { seed: null, values: null };
function scoresOf({ width, scaled, seed }) {
  if (drawn.seed !== seed) drawn = { seed, values: normals(seed, (QUERIES + KEYS) * WIDTH) };
  const factor = scaled ? 1 / Math.sqrt(width) : 1;
  return range(QUERIES).map((q) => range(KEYS).map((k) => {
    let total = 0;
    const [a, b] = [q * WIDTH, (QUERIES + k) * WIDTH];
    for (let c = 0; c < width; c += 1) total += drawn.values[a + c] * drawn.values[b + c];
    return total * factor;
  }));
}
const mean = (xs) => sum(xs) / xs.length;
function gradientNorm(weights) {
  const squares = sum(weights.map((w) => w * w));
  return Math.sqrt(Math.max(0, squares - 2 * sum(weights.map((w) => w ** 3)) + squares ** 2));
}

// A hundred bars as one path, which is laid out faster than a hundred rectangles.
const bars = (corners, width, base) => corners.map(([x, y]) => `M${x.toFixed(1)},${base}V${y.toFixed(1)}h${width.toFixed(1)}V${base}Z`).join("");

function render({ model, el }) {
  let scores = null; // of the present state, kept from compute to draw
  return figure({
    model, el,
    title: "Wider vectors, wider scores: without √d_k one key takes all",
    legend: [["key", "scores, measured"], ["query", "normal curve, in theory"], ["weight", "weights of one query"]],
    controls: [
      slider("width", { label: "Width d_k", values: STOPS, digits: 0 }),
      toggle("scaled", { label: "divide by √d_k" }),
      presets([["New draws", (state) => ({ seed: state.seed + 1 })]], { label: "Draw" }),
    ],
    readouts: [
      { name: "standard_deviation", label: "standard deviation", digits: 2 },
      { name: "theory", label: "in theory", digits: 2, role: "query" },
      { name: "largest_weight", label: "largest weight, mean", role: "weight" },
      { name: "gradient_norm", label: "gradient norm, mean" },
    ],
    height: (width) => (width < 520 ? 500 : 260),
    compute: (state) => {
      scores = scoresOf(state);
      const weights = scores.map((row) => softmax(row));
      return { theory: state.scaled ? 1 : Math.sqrt(state.width), standard_deviation: Math.sqrt(mean(scores.flat().map((s) => s * s))),
        largest_weight: mean(weights.map((row) => Math.max(...row))), gradient_norm: mean(weights.map(gradientNorm)) };
    },
    draw: ({ numbers, layer, width, narrow }) => {
      const half = narrow ? width : width / 2 - 10;
      // The axis doubles when it must, so that between two doublings the bell is seen to widen.
      const reach = 4 * 2 ** Math.ceil(Math.log2(numbers.theory) - 1e-9);
      const x = linear([-reach, reach], [52, half - 10]);
      const bins = 40;
      const counts = new Array(bins).fill(0);
      for (const s of scores.flat()) counts[clamp(Math.floor(((s + reach) / (2 * reach)) * bins), 0, bins - 1)] += 1;
      const density = counts.map((c) => c / (QUERIES * KEYS) / (2 * reach / bins));
      const bell = (s) => Math.exp(-0.5 * (s / numbers.theory) ** 2) / (numbers.theory * Math.sqrt(2 * Math.PI));
      const y = linear([0, 1.25 * Math.max(bell(0), ...density)], [208, 14]);
      layer.append(svg("path", { class: "ab-key", opacity: 0.65,
        d: bars(density.map((d, i) => [x(-reach + (2 * reach * i) / bins) + 0.5, y(d)]), (x.pixels[1] - x.pixels[0]) / bins - 1, 208) }));
      layer.append(line(linspace(-reach, reach, 161).map((s) => [x(s), y(bell(s))]), { class: "ab-query-line" }),
        axis(x, { at: 208, name: "score", values: [-reach, -reach / 2, 0, reach / 2, reach] }), axis(y, { side: "left", at: 52, name: "density", count: 3 }));
      const sorted = [...softmax(scores[0])].sort((a, b) => b - a);
      const [left, drop] = narrow ? [52, 250] : [half + 62, 0];
      const [u, w] = [linear([0.5, KEYS + 0.5], [left, width - 10]), linear([0, 1], [208 + drop, 14 + drop])];
      layer.append(svg("path", { class: "ab-weight", d: bars(sorted.map((v, i) => [u(i + 0.6), w(v)]), (u.pixels[1] - u.pixels[0]) / KEYS * 0.8, w(0)) }));
      layer.append(axis(w, { side: "left", at: left, name: "weight", count: 4 }), axis(u, { at: w(0), name: "key, by weight", values: [1, 16, 32, 48, 64] }),
        svg("path", { d: `M${left},${w(1 / KEYS)}H${width - 10}`, class: "ab-muted-line ab-dashed" }),
        label(width - 10, w(1 / KEYS) - 6, "an even share, 1/64", { class: "ab-muted-text", "text-anchor": "end" }));
    },
  });
}
export default { render };
