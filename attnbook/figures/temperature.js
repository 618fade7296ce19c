// Temperature: the same scores, from one winner (T = 0) to an even share (T = ∞).
const STOPS = [0, ...range(81).map((i) => Number((10 ** ((i - 40) / 20)).toPrecision(2))), Infinity];
const ROWS = [0, 0.1, 0.3, 1, 3, 10, Infinity];
// Where a temperature stands among the rows: half decades, and the limits at the ends.
const rowOf = (t) => (t === 0 ? 0 : t === Infinity ? 6 : clamp(3 + 2 * Math.log10(t), 0.5, 5.5));
const shown = (t) => (Number.isFinite(t) ? String(Number(t.toPrecision(2))) : "∞");

// Frobenius norm of (diag(α) − ααᵀ) / T. Without a derivative at T = 0 when scores tie.
function gradientNorm(scores, weights, temperature) {
  if (temperature === Infinity) return 0;
  if (temperature === 0) return scores.filter((s) => s === Math.max(...scores)).length > 1 ? NaN : 0;
  const squares = sum(weights.map((w) => w * w));
  const cubes = sum(weights.map((w) => w ** 3));
  return Math.sqrt(Math.max(0, squares - 2 * cubes + squares ** 2)) / temperature;
}

// Where things stand: beside each other on a desktop, below each other on a phone.
function places({ width, narrow }) {
  const half = narrow ? width : width / 2 - 14;
  const left = (y, height) => ({ x: [48, half - 6], y: [y + height, y] });
  return narrow
    ? { scores: left(14, 150), weights: left(196, 130), curve: { x: [48, width - 14], y: [520, 392] }, map: { x: 48, y: 592, width: width - 116, height: 170 } }
    : { scores: left(14, 170), weights: left(216, 150), curve: { x: [half + 76, width - 14], y: [366, 236] }, map: { x: half + 76, y: 14, width: half - 136, height: 164 } };
}

function render({ model, el }) {
  return figure({
    model, el,
    title: "Cold gives all to the best score, hot gives each the same",
    legend: [["key", "scores sᵢ (drag them)"], ["weight", "weights αᵢ = softmax(s / T)"]],
    controls: [
      slider("temperature", { label: "Temperature T", values: STOPS, show: (t) => (t === 0 ? "0, hard" : t === Infinity ? "∞, even" : shown(t)) }),
      presets([["T = 0", { temperature: 0 }], ["T = 1", { temperature: 1 }], ["T = ∞", { temperature: Infinity }],
        ["A tie at T = 0", { temperature: 0, scores: [2, 1, 2, 0, -1, 0.5] }]]),
    ],
    readouts: [
      { name: "entropy", label: "entropy H", unit: "nats", role: "weight" },
      { name: "largest_weight", label: "largest weight", role: "weight" },
      { name: "gradient_norm", label: "gradient norm ‖∂α/∂s‖", show: (v) => text(v, 4) },
    ],
    height: (width) => (width < 520 ? 800 : 412),
    compute: ({ scores, temperature }) => {
      const weights = softmax(scores, temperature);
      return { weights, entropy: entropy(weights), largest_weight: Math.max(...weights), gradient_norm: gradientNorm(scores, weights, temperature) };
    },
    draw: ({ state, numbers, layer, width, narrow, say, memory }) => {
      const at = places({ width, narrow });
      const x = linear([0.5, 6.5], at.scores.x);
      const [s, w] = [linear([-3, 3], at.scores.y), linear([0, 1], at.weights.y)];
      layer.append(axis(s, { side: "left", at: 48, name: "score", count: 6 }), svg("path", { d: `M48,${s(0)}H${x.pixels[1]}`, class: "ab-hair" }),
        axis(w, { side: "left", at: 48, name: "weight", count: 4 }), axis(x, { at: w(0), name: "entry", values: [1, 2, 3, 4, 5, 6] }));
      state.scores.forEach((score, i) => layer.append(
        svg("path", { d: `M${x(i + 1)},${s(0)}V${s(score)}`, class: "ab-key-line", "stroke-width": 2 }),
        svg("rect", { x: x(i + 1) - 14, width: 28, y: w(numbers.weights[i]), height: w(0) - w(numbers.weights[i]), class: "ab-weight" }),
        label(x(i + 1), w(numbers.weights[i]) - 5, text(numbers.weights[i]), { class: "ab-weight-text", "text-anchor": "middle" })));
      // Entropy over the temperature; both limits are marked where the axis ends.
      const e = linear([0, 1.9], at.curve.y);
      const t = linear([-2, 2], at.curve.x);
      const points = linspace(-2, 2, 121).map((p) => [t(p), e(entropy(softmax(state.scores, 10 ** p)))]);
      const here = state.temperature === 0 ? -2 : clamp(Math.log10(state.temperature), -2, 2);
      layer.append(axis(e, { side: "left", at: t.pixels[0], name: "entropy, nats", values: [0, 0.5, 1, 1.5] }), axis(t, { at: e(0), name: "", values: [] }),
        ...[[-2, "0.01"], [-1, "0.1"], [0, "1"], [1, "10"], [2, "100"]].map(([p, words]) => label(t(p), e(0) + 17, words, { class: "ab-muted-text", "text-anchor": "middle" })),
        label((t(-2) + t(2)) / 2, e(0) + 35, "temperature T (log scale)", { "text-anchor": "middle" }),
        svg("path", { d: `M${t(-2)},${e(Math.log(6))}H${t(2)}`, class: "ab-muted-line ab-dashed" }),
        label(t(-2) + 6, e(Math.log(6)) + 14, "T → ∞: log 6", { class: "ab-muted-text" }),
        label(t(-2) + 6, e(0) - 6, "T → 0", { class: "ab-muted-text" }),
        line(points, { class: "ab-weight-line" }), marker("weight", t(here), e(numbers.entropy), 6));
      const map = at.map;
      layer.append(heatmap({ ...map, matrix: ROWS.map((r) => softmax(state.scores, r)), rowLabels: ROWS.map(shown), colLabels: [1, 2, 3, 4, 5, 6],
        rowName: "temperature", colName: "entry", domain: [0, 1], say, memory }),
      marker("weight", map.x + map.width + 7, map.y + (rowOf(state.temperature) + 0.5) * map.height / ROWS.length, 4),
      label(0, 0, "temperature T", { "text-anchor": "middle", transform: `translate(${map.x - 34},${map.y + map.height / 2}) rotate(-90)` }),
      label(map.x + map.width / 2, map.y + map.height + 33, "entry", { "text-anchor": "middle" }));
    },
    handles: ({ state, width, narrow, set }) => {
      const at = places({ width, narrow });
      const [x, s] = [linear([0.5, 6.5], at.scores.x), linear([-3, 3], at.scores.y)];
      return state.scores.map((score, i) => ({ id: `score-${i + 1}`, role: "key", label: `score of entry ${i + 1}`, at: [x(i + 1), s(score)],
        step: [s(0) - s(0.1), s(0) - s(0.1)], now: score, range: [-3, 3], value: `s = ${text(score, 1)}`,
        // A score moves up and down; the keys for right and left do the same.
        move: (px, py) => {
          const up = s.invert(py) - score + (px - x(i + 1)) / (s(0) - s(1)) * (Math.abs(py - s(score)) < 1e-6 ? 1 : 0);
          set({ scores: state.scores.map((old, j) => (j === i ? Math.round(clamp(old + up, -3, 3) * 10) / 10 : old)) });
        } }));
    },
  });
}
export default { render };
