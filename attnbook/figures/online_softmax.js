// Online softmax: one row of scores in blocks; when the maximum rises, what was summed is rescaled.
const KEYS = 6;
const keys = range(KEYS);
const blocksOf = ({ block }) => Math.ceil(KEYS / block);

// The recurrence itself: m, l and o after each block that was read.
function read({ scores, values, block, step, forget }) {
  let [m, l, o] = [-Infinity, 0, 0];
  const rows = [];
  for (let start = 0; start < KEYS && rows.length < step; start += block) {
    const own = keys.slice(start, start + block);
    const higher = Math.max(m, ...own.map((i) => scores[i]));
    const factor = Math.exp(m - higher);
    const used = forget ? 1 : factor;
    l = l * used + sum(own.map((i) => Math.exp(scores[i] - higher)));
    o = o * used + sum(own.map((i) => Math.exp(scores[i] - higher) * values[i]));
    m = higher;
    const seen = start + own.length;
    rows.push({ maximum: m, factor, sum: l, weighted_sum: o, output: o / l, exact: blend(softmax(scores.slice(0, seen)), values) });
  }
  return rows;
}
function compute(state) {
  const rows = read(state);
  const last = rows.at(-1) ?? { maximum: -Infinity, factor: NaN, sum: 0, weighted_sum: 0, output: 0, exact: 0 };
  const seen = keys.slice(0, rows.length * state.block);
  const under = (i) => (state.forget ? rows[Math.floor(i / state.block)] : last).maximum;
  return { ...last, error: Math.abs(last.output - last.exact), held: seen.map((i) => Math.exp(state.scores[i] - under(i))), rows };
}

// Three panels over the same six keys; the table of steps beside them, or below on a phone.
function plan(width) {
  const narrow = width < 600;
  const right = narrow ? width - 8 : Math.round(width * 0.53);
  return { narrow, x: linear([0.5, KEYS + 0.5], [50, right]), score: linear([-3, 3], [150, 18]), held: linear([0, 1], [268, 186]), value: linear([-2, 2], [406, 304]),
    table: narrow ? { x: 0, y: 530, width } : { x: right + 32, y: 84, width: width - right - 32 }, height: narrow ? 684 : 446 };
}
const short = (v) => (v === 0 ? "0" : text(v));

function table({ state, numbers, layer }, { x, y, width }) {
  const names = [["block", 0.11], ["max m", 0.27], ["factor", 0.45], ["sum l", 0.6], ["o / l", 0.785], ["softmax", 1]];
  const cell = (at, line, words, look = {}) => layer.append(label(x + width * at, y + line * 24, words, { "text-anchor": "end", ...look }));
  names.forEach(([name, at]) => cell(at, 0, name, { class: name === "o / l" ? "ab-value-text" : "ab-muted-text" }));
  layer.append(svg("path", { d: `M${x},${y + 7}h${width}`, class: "ab-hair" }));
  for (const i of range(blocksOf(state))) {
    const row = numbers.rows[i];
    const now = i === numbers.rows.length - 1;
    const bold = now ? "font-weight: 600" : "";
    cell(0.11, i + 1, String(i + 1), { class: row ? "" : "ab-muted-text", style: bold });
    if (!row) continue;
    const rises = row.factor < 1 && i > 0;
    const wrong = Math.abs(row.output - row.exact) > 5e-4;
    cell(0.27, i + 1, text(row.maximum), { style: bold });
    cell(0.45, i + 1, `× ${short(row.factor)}`, { class: i === 0 ? "ab-muted-text" : rises ? "ab-weight-text" : "",
      style: rises ? `font-weight: 600${state.forget ? "; text-decoration: line-through" : ""}` : "" });
    cell(0.6, i + 1, text(row.sum), { style: bold });
    cell(0.785, i + 1, text(row.output, 3), { class: "ab-value-text", style: bold });
    cell(1, i + 1, `${wrong ? "≠ " : "= "}${text(row.exact, 3)}`, { style: wrong ? "font-weight: 600" : bold });
  }
}

function render({ model, el }) {
  return figure({
    model, el,
    title: "When the maximum rises, the sum so far shrinks, and the result stays exact",
    legend: [["key", "scores sᵢ (drag them)"], ["weight", "what the sum l holds"], ["value", "values vᵢ (drag them); line: output o / l"]],
    controls: [
      stepper("step", { label: "Blocks read", total: blocksOf }),
      slider("block", { label: "Keys in a block", values: [1, 2, 3, 4, 6], show: (b) => (b === KEYS ? "all 6" : String(b)) }),
      toggle("forget", { label: "forget the rescale" }),
    ],
    more: [presets([["Rising scores", { scores: [-3, -1.8, -0.6, 0.6, 1.8, 3] }], ["Falling scores", { scores: [3, 1.8, 0.6, -0.6, -1.8, -3] }],
      ["Equal scores", { scores: [1, 1, 1, 1, 1, 1] }]])],
    readouts: [
      { name: "maximum", label: "maximum m" },
      { name: "factor", label: "factor", role: "weight", show: (f) => (Number.isNaN(f) ? "none yet" : text(f)) },
      { name: "sum", label: "sum l", role: "weight" },
      { name: "weighted_sum", label: "weighted sum o" },
      { name: "output", label: "output o / l", role: "value" },
      { name: "exact", label: "softmax of the keys read" },
      { name: "error", label: "error" },
    ],
    height: (width) => plan(width).height,
    compute,
    draw: (ctx) => {
      const { state, numbers, layer, width } = ctx;
      const { x, score, held, value, table: place } = plan(width);
      const [left, right] = x.pixels;
      const seen = numbers.held.length;
      const edge = x(seen + 0.5);
      // The blocks, as columns through all panels; what has not been read stands on grey.
      if (seen < KEYS) layer.append(svg("rect", { x: edge, y: 8, width: right - edge, height: 404, style: "fill: var(--ab-rule)", opacity: 0.35 }),
        label((edge + right) / 2, held(0.5) + 4, right - edge > 90 ? "not read yet" : "", { class: "ab-muted-text", "text-anchor": "middle" }));
      for (let b = state.block; b < KEYS; b += state.block) layer.append(svg("path", { d: `M${x(b + 0.5)},8V412`, class: "ab-hair ab-dashed" }));
      layer.append(axis(score, { side: "left", at: left, name: "score", values: [-3, 0, 3] }), axis(held, { side: "left", at: left, name: "in the sum", values: [0, 1] }),
        axis(value, { side: "left", at: left, name: "value", values: [-2, 0, 2] }), axis(x, { at: 412, name: "key", values: keys.map((i) => i + 1) }),
        svg("path", { d: `M${left},${score(0)}H${right}M${left},${held(0)}H${right}M${left},${value(0)}H${right}`, class: "ab-hair" }));
      state.scores.forEach((s, i) => layer.append(svg("path", { d: `M${x(i + 1)},${score(0)}V${score(s)}`, class: "ab-key-line", "stroke-width": 2, opacity: i < seen ? 1 : 0.4 })));
      // The running maximum, a staircase over the blocks.
      const stairs = numbers.rows.flatMap(({ maximum }, b) => [b * state.block, Math.min((b + 1) * state.block, KEYS)].map((k) => [x(k + 0.5), score(maximum)]));
      if (seen) layer.append(line(stairs, { "stroke-width": 1.5 }), label(Math.min(edge, right) - 4, score(numbers.maximum) - (numbers.maximum > 2.6 ? -14 : 6), `m = ${text(numbers.maximum)}`, { "text-anchor": "end" }));
      // What the sum holds of each key; dashed, what it was before this step, or what it should be.
      const before = numbers.rows.at(-2)?.maximum;
      state.scores.slice(0, seen).forEach((s, i) => {
        const [w, h] = [Math.min(30, (right - left) / 9), numbers.held[i]];
        const other = state.forget ? Math.exp(s - numbers.maximum) : i < (numbers.rows.length - 1) * state.block ? Math.exp(s - before) : h;
        layer.append(svg("rect", { x: x(i + 1) - w / 2, width: w, y: held(h), height: held(0) - held(h), class: "ab-weight" }));
        if (Math.abs(other - h) > 0.004) layer.append(svg("rect", { x: x(i + 1) - w / 2 - 3, width: w + 6, y: held(other), height: held(0) - held(other), class: "ab-line ab-dashed", style: "stroke-width: 1" }));
        layer.append(label(x(i + 1), held(Math.max(h, other === h ? 0 : other)) - 4, text(h), { class: "ab-weight-text", "text-anchor": "middle" }));
      });
      const risen = numbers.rows.length > 1 && numbers.factor < 1;
      layer.append(svg("path", { d: `M${left},${value(numbers.exact)}H${right}`, class: "ab-line ab-dashed", style: "stroke-width: 1.5" }),
        svg("path", { d: `M${left},${value(numbers.output)}H${edge}`, class: "ab-value-line", "stroke-width": 3 }));
      table(ctx, place);
      const words = !seen ? ["Nothing is read yet: m = −∞, l = 0, o = 0."]
        : [state.forget ? "Each block stays under the maximum of its time." : risen ? `The maximum rose: all before shrinks × ${text(numbers.factor)}.` : "The maximum did not rise: nothing shrinks.",
          state.forget ? "Dashed bars: what the sum should hold." : "Dashed bars: what the sum held before.", "Dashed line: softmax of the keys read."];
      words.forEach((w, i) => layer.append(label(place.x, place.y - 66 + 18 * i, w, { class: "ab-muted-text" })));
    },
    handles: ({ state, width, set }) => {
      const { x, score, value } = plan(width);
      const row = (name, role, letter, scale, reach) => state[name].map((v, i) => ({ id: `${name}-${i + 1}`, role, label: `${role === "key" ? "score of key" : "value of key"} ${i + 1}`,
        at: [x(i + 1), scale(v)], step: [scale(0) - scale(0.1), scale(0) - scale(0.1)], now: v, range: [-reach, reach], value: `${letter} = ${text(v, 1)}`, mark: marker(role, 0, 0, 6.5),
        // A number moves up and down; the keys for right and left do the same.
        move: (px, py) => {
          const up = scale.invert(py) - v + (Math.abs(py - scale(v)) < 1e-6 ? (px - x(i + 1)) / (scale(0) - scale(1)) : 0);
          set({ [name]: state[name].map((old, j) => (j === i ? Math.round(clamp(v + up, -reach, reach) * 10) / 10 : old)) });
        } }));
      return [...row("scores", "key", "s", score, 3), ...row("values", "value", "v", value, 2)];
    },
  });
}
export default { render };
