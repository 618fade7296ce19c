// Hard and soft on a line: a query moves past four keys; a hard lookup jumps, a soft one flows.
const KEYS = [-2, -0.5, 1, 2.5];
const VALUES = [0.2, 1, -0.6, 0.6];
const REACH = [-3.5, 3.5];
// Where the nearest key changes the hard output jumps: each step is [from, to, value].
const EDGES = [REACH[0], -1.25, 0.25, 1.75, REACH[1]];
const STEPS = VALUES.map((v, i) => [EDGES[i], EDGES[i + 1], v]);

function lookUp(query, temperature) {
  const scores = KEYS.map((k) => -0.5 * (query - k) ** 2);
  const weights = softmax(scores, temperature);
  const soft = blend(weights, VALUES);
  // The derivative of the soft output is a covariance under the weights: Cov(v, k) / T.
  const meanKey = blend(weights, KEYS);
  const slope = sum(weights.map((w, i) => w * (VALUES[i] - soft) * (KEYS[i] - meanKey))) / temperature;
  // Halfway between two keys the hard lookup splits the tie, and has no derivative.
  const tied = scores.filter((s) => s === Math.max(...scores)).length > 1;
  return { weights, soft, hard: blend(softmax(scores, 0), VALUES), soft_derivative: slope, hard_derivative: tied ? NaN : 0 };
}

function render({ model, el }) {
  return figure({
    model, el,
    title: "Move the query: the hard lookup jumps, the soft one flows",
    legend: [["query", "query q"], ["key", "keys kᵢ"], ["value", "values vᵢ, outputs"]],
    controls: [
      slider("query", { label: "Query q", min: -3.5, max: 3.5, step: 0.01 }),
      slider("temperature", { label: "Temperature T", min: 0.05, max: 2, step: 0.01 }),
      presets([["On a jump", { query: 0.25 }], ["T = 0.05", { temperature: 0.05 }],
        ["T = 2", { temperature: 2 }]]),
    ],
    readouts: [
      { name: "hard", label: "hard output", role: "value" },
      { name: "soft", label: "soft output", role: "value" },
      { name: "hard_derivative", label: "hard derivative", digits: 2 },
      { name: "soft_derivative", label: "soft derivative", digits: 2 },
    ],
    height: 414,
    compute: ({ query, temperature }) => lookUp(query, temperature),
    draw: ({ state, numbers, layer, width }) => {
      const x = linear(REACH, [52, width - 12]);
      const grid = linspace(...REACH, 281).map((q) => [q, lookUp(q, state.temperature)]);
      const panel = (y, key, name) => {
        layer.append(axis(y, { side: "left", at: 52, name, count: 4 }),
          svg("path", { d: `M52,${y(0)}H${width - 12}`, class: "ab-hair" }),
          ...STEPS.map(([from, to, value]) => line([[x(from), y(key ? 0 : value)], [x(to), y(key ? 0 : value)]],
            { class: "ab-muted-line ab-dashed" })),
          line(grid.map(([q, out]) => [x(q), y(out[`soft${key}`])]), { class: "ab-value-line" }),
          // Where there is no derivative, there is no mark.
          Number.isNaN(numbers[`hard${key}`]) ? "" : marker("value", x(state.query), y(numbers[`hard${key}`]), 4, { opacity: 0.6 }),
          marker("value", x(state.query), y(numbers[`soft${key}`]), 6));
      };
      layer.append(svg("path", { d: `M${x(state.query)},24V372`, class: "ab-query-line ab-dashed" }));
      const slopes = grid.map(([, out]) => out.soft_derivative);
      const bound = Math.max(1, ...slopes.map(Math.abs));
      panel(linear([-0.8, 1.2], [206, 24]), "", "output");
      panel(linear([-bound, bound], [372, 238]), "_derivative", "derivative");
      KEYS.forEach((k, i) => layer.append(marker("key", x(k), 220, 6),
        label(x(k), linear([-0.8, 1.2], [206, 24])(VALUES[i]) - 12, `v${"₁₂₃₄"[i]}`, { class: "ab-value-text", "text-anchor": "middle" }),
        marker("value", x(k), linear([-0.8, 1.2], [206, 24])(VALUES[i]), 4)));
      layer.append(axis(x, { at: 372, name: "position of the query q", count: 7 }),
        label(width - 12, 10, "solid: soft   dashed: hard", { class: "ab-muted-text", "text-anchor": "end" }));
    },
    handles: ({ state, width, set }) => {
      const x = linear(REACH, [52, width - 12]);
      return [{ id: "query", role: "query", label: "query, on a line", at: [x(state.query), 220], step: [x(0.05) - x(0), 0],
        now: state.query, value: `q = ${text(state.query)}`, range: REACH,
        move: (px) => set({ query: Math.round(clamp(x.invert(px), ...REACH) * 100) / 100 }) }];
    },
  });
}
export default { render };
