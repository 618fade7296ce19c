// Self-attention in the plane: a sentence whose words look each other up; choose who asks.
const ENDS = [-1.5, 3];
const TICKS = [-1, 0, 1, 2, 3];
const place = (v) => Math.round(clamp(v, ...ENDS) * 20) / 20;
const at = (state) => Math.min(state.query, state.sentence.length - 1);

function attend({ sentence, vectors, query }) {
  const x = sentence.map((word) => vectors[word]);
  const scores = matmul(x, transpose(x)).map((row) => row.map((s) => s / Math.SQRT2));
  const weights = scores.map((row) => softmax(row));
  const outputs = matmul(weights, x);
  const asking = at({ sentence, query });
  const row = weights[asking];
  const most = row.findIndex((w) => w >= Math.max(...row) - 1e-9);
  return { scores, weights, outputs, asking, row, output: outputs[asking], most: sentence[most], most_weight: row[most],
    moved: Math.hypot(...outputs[asking].map((o, c) => o - x[asking][c])) };
}

// Where everything stands: the sentence above; then the plane and the map, side by side or stacked.
function plan(width) {
  const narrow = width < 520;
  const side = narrow ? width - 60 : (width - 220) / 2;
  const plane = { left: 44, top: 128, side };
  const cells = narrow ? width - 116 : side;
  const map = narrow ? { left: 50, top: 128 + side + 84, side: cells } : { left: side + 124, top: 128, side: cells };
  return { narrow, plane, map, height: map.top + cells + 66,
    x: linear(ENDS, [plane.left, plane.left + side]), y: linear(ENDS, [plane.top + side, plane.top]) };
}

// The sentence as a row of buttons: who asks.
const words = () => ({ model, read }) => {
  let shown = "";
  const node = html("div", { class: "ab-presets", role: "group", "aria-label": "The word that asks" });
  return { node, refresh: (state) => {
    if (shown !== state.sentence.join()) {
      shown = state.sentence.join();
      node.replaceChildren(...state.sentence.map((word, i) => html("button", { type: "button", onclick: () => change(model, { query: i }) }, word)));
    }
    [...node.children].forEach((button, i) => {
      button.setAttribute("aria-pressed", i === at(read()));
      button.style.borderColor = button.style.color = i === at(read()) ? "var(--ab-query)" : "";
      button.style.borderWidth = i === at(read()) ? "2px" : "";
    });
  } };
};

// The sentence, and over each word the weight that it gets from the one that asks.
function drawSentence({ state, numbers, layer, width, set }) {
  const n = state.sentence.length;
  const pitch = Math.min(110, width / n);
  state.sentence.forEach((word, i) => {
    const middle = (i + 0.5) * pitch;
    const tall = 56 * numbers.row[i];
    const asks = i === numbers.asking;
    const chosen = svg("g", { style: "cursor: pointer", onclick: () => set({ query: i }) },
      svg("rect", { x: middle - pitch / 2, y: 0, width: pitch, height: 100, style: "fill: transparent" }),
      svg("rect", { x: middle - Math.min(18, pitch * 0.3), y: 74 - tall, width: 2 * Math.min(18, pitch * 0.3), height: tall, class: "ab-weight" }),
      label(middle, 69 - tall, text(numbers.row[i]), { "text-anchor": "middle" }),
      label(middle, 94, word, { "text-anchor": "middle", class: asks ? "ab-query-text" : "", style: asks ? "font-weight: 700; font-size: 14px" : "font-size: 14px" }));
    layer.append(chosen);
    if (asks) layer.append(marker("query", middle, 106, 5));
  });
  layer.append(svg("path", { d: `M0,74.5H${n * pitch}`, class: "ab-muted-line" }));
}

function drawPlane({ state, numbers, layer }, { plane, x, y }) {
  const { left, top, side } = plane;
  const to = ([a, b]) => [x(a), y(b)];
  layer.append(svg("path", { d: `M${left},${y(0)}h${side}M${x(0)},${top}v${side}`, class: "ab-hair" }),
    axis(x, { at: top + side, name: "dimension 1 (money)", values: TICKS }),
    axis(y, { side: "left", at: left, name: "dimension 2 (water)", values: TICKS }));
  const from = state.vectors[state.sentence[numbers.asking]];
  for (const word of new Set(state.sentence)) {
    const share = sum(numbers.row.filter((_, i) => state.sentence[i] === word));
    layer.append(line([to(from), to(state.vectors[word])], { class: "ab-weight-line", opacity: 0.45, style: `stroke-width:${(0.4 + 11 * share).toFixed(2)}` }));
  }
  numbers.outputs.forEach((o, i) => {
    const [px, py] = to(o);
    const asks = i === numbers.asking;
    layer.append(svg("rect", { x: px - (asks ? 8 : 4), y: py - (asks ? 8 : 4), width: asks ? 16 : 8, height: asks ? 16 : 8,
      class: "ab-value-line", "stroke-width": asks ? 3 : 1.5, opacity: asks ? 1 : 0.7, style: asks ? "fill:var(--ab-page)" : "" }));
  });
  for (const word of new Set(state.sentence)) {
    const [px, py] = to(state.vectors[word]);
    const times = state.sentence.filter((w) => w === word).length;
    const low = state.vectors[word][1] < 0; // a name stands where fewer outputs lie
    layer.append(label(clamp(px, left + 24, left + side - 24), py + (low ? 22 : -13), times > 1 ? `${word} ×${times}` : word,
      { "text-anchor": "middle", style: "paint-order: stroke; stroke: var(--ab-page); stroke-width: 4px" }));
  }
}

function drawMap({ state, numbers, layer, say, memory, set }, { map }) {
  const n = state.sentence.length;
  const size = map.side / n;
  const cells = heatmap({ x: map.left, y: map.top, width: map.side, height: map.side, matrix: numbers.weights, domain: [0, 1],
    rowLabels: state.sentence, colLabels: state.sentence, say, memory });
  // A click on a row lets that word ask.
  cells.addEventListener("click", (event) => event.target.dataset.at && set({ query: Number(event.target.dataset.at.split(",")[0]) }));
  layer.append(cells, label(map.left, map.top - 10, "all weights: a row for each query", { class: "ab-name" }),
    svg("rect", { x: map.left, y: map.top + numbers.asking * size, width: map.side, height: size, class: "ab-query-line", "stroke-width": 3, "pointer-events": "none" }));
}

function render({ model, el }) {
  const show = (sentence, query) => ({ sentence: sentence.split(" "), query });
  return figure({
    model, el,
    title: "Choose a word: it looks itself up among the words of its own sentence",
    legend: [["query", "the word that asks"], ["key", "the others"], ["value", "outputs, the asker's large"], ["weight", "weights"]],
    controls: [
      words(),
      presets([
        ["River", show("the bank by the river", 1)],
        ["Money", show("the bank lends the money", 1)],
        ["Reverse", ({ sentence, query }) => ({ sentence: [...sentence].reverse(), query: sentence.length - 1 - at({ sentence, query }) })],
      ], { label: "Sentences" }),
    ],
    more: [presets([
      ["Add “the”", ({ sentence }) => (sentence.length < 6 ? { sentence: [...sentence, "the"] } : {})],
      ["Drop the last word", ({ sentence }) => (sentence.length > 1 ? { sentence: sentence.slice(0, -1) } : {})],
      ["All vectors alike", ({ vectors }) => ({ vectors: Object.fromEntries(Object.keys(vectors).map((word) => [word, [1, 1]])) })],
    ], { label: "Sentence and vectors" })],
    readouts: [
      { name: "output", label: "output", role: "value" },
      { name: "moved", label: "from its vector it moved", digits: 2 },
      { name: "most", label: "gives most to" },
      { name: "most_weight", label: "weight", role: "weight" },
    ],
    height: (width) => plan(width).height,
    compute: attend,
    draw: (ctx) => {
      const where = plan(ctx.width);
      drawSentence(ctx);
      drawPlane(ctx, where);
      drawMap(ctx, where);
    },
    handles: ({ state, width, set }) => {
      const { x, y } = plan(width);
      const asking = state.sentence[at(state)];
      return [...new Set(state.sentence)].map((word) => {
        const [a, b] = state.vectors[word];
        const role = word === asking ? "query" : "key";
        return { id: `${role}-${word}`, role, label: `vector of “${word}”`, at: [x(a), y(b)], step: [x(0.1) - x(0), x(0.1) - x(0)],
          now: a, range: ENDS, value: `${word} at ${text([a, b])}`,
          move: (px, py) => set({ vectors: { ...state.vectors, [word]: [place(x.invert(px)), place(y.invert(py))] } }) };
      });
    },
  });
}
export default { render };
