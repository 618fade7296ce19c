// Two trained translators read a sentence of the reader's own: where the lookup looks.
const ADJECTIVES = ["red", "big", "old", "new", "hot", "wet"];
const NOUNS = ["cat", "box", "sun", "car", "tea", "hat"];
const WORDS = [...ADJECTIVES, ...NOUNS];
const END = WORDS.length;
const FULL_STOP = ".";
const LONGEST = 14;

const scaled = (table) => (Array.isArray(table) ? table.map(scaled) : table * DATA.unit);
const NETWORKS = Object.fromEntries(Object.entries(DATA.networks).map(([name, { weights }]) =>
  [name, Object.fromEntries(Object.entries(weights).map(([key, table]) => [key, scaled(table)]))]));

// A loop, not the kit's dot: a sentence takes some ten thousand of these.
function inner(row, x) {
  let total = 0;
  for (let i = 0; i < x.length; i += 1) total += row[i] * x[i];
  return total;
}
const times = (rows, x) => rows.map((row) => inner(row, x));
const plus = (a, b) => a.map((x, i) => x + b[i]);
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// The next state of a gated recurrent unit, gates in PyTorch's order: reset, keep, new.
function gru(weights, name, x, h, suffix = "") {
  const get = (part) => weights[`${name}.${part}${suffix}`];
  const fromX = plus(times(get("weight_ih"), x), get("bias_ih"));
  const fromH = plus(times(get("weight_hh"), h), get("bias_hh"));
  const d = h.length;
  return h.map((old, i) => {
    const keep = sigmoid(fromX[d + i] + fromH[d + i]);
    return (1 - keep) * Math.tanh(fromX[2 * d + i] + sigmoid(fromX[i] + fromH[i]) * fromH[2 * d + i]) + keep * old;
  });
}

function translated(weights, source) {
  const words = weights["words.weight"];
  const zero = Array(weights["start.bias"].length).fill(0);
  const read = (places, suffix) => {
    const states = [];
    let h = zero;
    for (const i of places) { h = gru(weights, "encoder", words[source[i]], h, suffix); states[i] = h; }
    return [states, h];
  };
  const places = range(source.length);
  const [forth, last] = read(places, "_l0");
  const [back, first] = read([...places].reverse(), "_l0_reverse");
  const states = places.map((i) => [...forth[i], ...back[i]]);
  let context = [...last, ...first];
  let s = plus(times(weights["start.weight"], context), weights["start.bias"]).map(Math.tanh);
  const look = "look.w" in weights && { w: weights["look.w"], q: transpose(weights["look.w_q"]), keys: states.map((h) => times(transpose(weights["look.w_k"]), h)) };
  const written = [END], looks = [];
  for (let step = 0; step < source.length + 2; step += 1) {
    if (look) {
      const query = times(look.q, s);
      looks.push(softmax(look.keys.map((key) => inner(look.w, plus(query, key).map(Math.tanh)))));
      context = context.map((_, k) => inner(looks.at(-1), states.map((h) => h[k])));
    }
    const word = words[written.at(-1)];
    s = gru(weights, "decoder", [...word, ...context], s);
    const logits = plus(times(weights["answer.weight"], [...s, ...context, ...word]), weights["answer.bias"]);
    written.push(logits.indexOf(Math.max(...logits)));
    if (written.at(-1) === END) break;
  }
  return [written.slice(1), looks];
}

// Nouns first, their adjectives behind them in reverse order: for each target word, its source.
function reordered(words) {
  const order = [];
  let start = 0;
  words.forEach((word, i) => {
    if (!NOUNS.includes(word) && i < words.length - 1) return;
    for (let j = i; j >= start; j -= 1) order.push(j);
    start = i + 1;
  });
  return order;
}

function compute({ words }) {
  const order = reordered(words);
  const expected = [...order.map((i) => words[i]), FULL_STOP];
  const numbers = { order, expected };
  for (const name of ["attention", "vector"]) {
    const [written, looks] = translated(NETWORKS[name], words.map((word) => WORDS.indexOf(word)));
    numbers[name] = written.map((n) => WORDS[n] ?? FULL_STOP);
    const right = sum(expected.map((word, i) => Number(word === numbers[name][i])));
    numbers[`${name}_right`] = `${right} of ${expected.length}`;
    if (looks.length) numbers.weights = looks;
  }
  return numbers;
}

// A list to choose from for each word.
const editor = ({ model, read, id }) => {
  const row = html("div", { role: "group", "aria-label": "Words of the sentence", style: "display: flex; flex-wrap: wrap; gap: 0.3rem" });
  const write = (words) => change(model, { words });
  const more = html("button", { type: "button", onclick: () => write([...read().words, "cat"]) }, "Add a word");
  const less = html("button", { type: "button", onclick: () => write(read().words.slice(0, -1)) }, "Remove the last");
  const makeSelect = (i) => html("select", { id: `${id}-${i}`, "aria-label": `Word ${i + 1}`, style: "padding: 0 0.2rem; width: 4rem",
    onchange: (event) => write(read().words.with(i, event.target.value)) },
  ...[["adjectives", ADJECTIVES], ["nouns", NOUNS]].map(([name, words]) => html("optgroup", { label: name }, ...words.map((w) => html("option", { value: w }, w)))));
  const node = html("details", { class: "ab-more", style: "flex: 1 1 100%; min-width: 0" }, html("summary", {}, "Write your own sentence"), row,
    html("div", { class: "ab-buttons", style: "margin-top: 0.4rem" }, more, less));
  return { node, refresh: ({ words }) => {
    while (row.children.length > words.length) row.lastChild.remove();
    while (row.children.length < words.length) row.append(makeSelect(row.children.length));
    words.forEach((word, i) => { row.children[i].value = word; });
    more.disabled = words.length === LONGEST;
    less.disabled = words.length === 1;
  } };
};

const [TOP, TALL] = [44, 300];
function plan(width, words, rows) {
  const [left, room] = [62, width - 62 - 132];
  return { left, cell: Math.min(36, room / words), row: Math.min(30, TALL / rows) };
}

function render({ model, el }) {
  const start = structuredClone(model.get("words"));
  return figure({
    model, el,
    title: "Each word written looks up the word that it needs",
    legend: [["query", "words written, one query each"], ["key", "source words; a frame marks the one needed"], ["weight", "weight"]],
    controls: [
      presets([["Three words", { words: ["big", "red", "cat"] }], ["Nine", { words: start }],
        ["Fourteen", { words: ["box", "car", "wet", "wet", "cat", "hot", "tea", "car", "new", "hat", "old", "hat", "new", "hat"] }]], { label: "Sentences" }),
      editor,
    ],
    readouts: [
      { name: "attention_right", label: "right, with a lookup:" },
      { name: "vector_right", label: "right, from one vector:" },
    ],
    height: TOP + TALL + 40,
    compute,
    draw: ({ state, numbers, layer, width, say, memory }) => {
      const [n, rows] = [state.words.length, Math.max(numbers.attention.length, numbers.vector.length)];
      const { row, left, cell } = plan(width, n, rows);
      const wrong = (word, i) => (word === numbers.expected[i] ? word : `✗ ${word}`);
      memory.cell = memory.cell?.map((at, axis) => Math.min(at, [numbers.weights.length, n][axis] - 1));
      layer.append(heatmap({ x: left, y: TOP, width: n * cell, height: numbers.weights.length * row, matrix: numbers.weights, rowLabels: numbers.attention.map(wrong),
        colLabels: state.words, rowName: "written", colName: "source", domain: [0, 1], digits: 1, say, memory }));
      numbers.order.slice(0, numbers.weights.length).forEach((j, i) => layer.append(svg("rect", { x: left + j * cell + 1, y: TOP + i * row + 1, width: cell - 2, height: row - 2,
        class: "ab-key-line", "stroke-width": 1.5, "pointer-events": "none" })));
      const right = left + n * cell + 66;
      layer.append(label(left - 6, TOP - 24, "with a", { "text-anchor": "end", class: "ab-muted-text" }), label(left - 6, TOP - 9, "lookup", { "text-anchor": "end", class: "ab-muted-text" }),
        label(right, TOP - 24, "from one", { class: "ab-muted-text" }), label(right, TOP - 9, "vector", { class: "ab-muted-text" }));
      numbers.vector.forEach((word, i) => layer.append(label(right, TOP + (i + 0.5) * row + 4, wrong(word, i))));
    },
  });
}
export default { render };
