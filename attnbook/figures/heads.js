// Eight heads of a trained model, two layers of four, on the reader's own text.
// DATA is data/heads.json, joined in front of this module.
const LONGEST = 20;
const [WIDTH, HEADS] = [DATA.letters[0].length, DATA.heads];
const SIZE = WIDTH / HEADS;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";
const NAMES = [1, 2].flatMap((layer) => range(HEADS).map((h) => `${layer}.${h + 1}`));
const INDUCTION = NAMES.slice(HEADS);
const scaled = (rows) => rows.map((row) => Float64Array.from(row, (x) => x * DATA.unit));
const LETTERS = scaled(DATA.letters);
const LAYERS = DATA.layers.map((layer) => Object.fromEntries(Object.entries(layer).map(([name, rows]) => [name, scaled(rows)])));
const OUT = scaled(DATA.out);

// Rows times a matrix; only the rows of the matrix from `first` on, if the rows are shorter.
const times = (rows, matrix, first = 0) => rows.map((row) => {
  const sums = new Float64Array(matrix[0].length);
  row.forEach((x, i) => matrix[first + i].forEach((w, j) => { sums[j] += x * w; }));
  return sums;
});

// Each pair of numbers at place p is turned by the angle p θ, θ = 10000^(-2i / d): rotary positions.
const turned = (rows) => rows.map((row, p) => row.map((x, i) => {
  const angle = p * 10000 ** (-2 * Math.floor(i / 2) / SIZE);
  return i % 2 ? row[i - 1] * Math.sin(angle) + x * Math.cos(angle) : x * Math.cos(angle) - row[i + 1] * Math.sin(angle);
}));

function look(text, removed) {
  let x = [...text].map((letter) => LETTERS[ALPHABET.indexOf(letter)]);
  const weights = LAYERS.map((layer, l) => {
    const [q, k, v] = ["q", "k", "v"].map((name) => times(x, layer[name]));
    return range(HEADS).map((h) => {
      const part = (rows) => rows.map((row) => row.slice(h * SIZE, (h + 1) * SIZE));
      const [queries, keys, values] = [turned(part(q)), turned(part(k)), part(v)];
      const found = queries.map((query, i) => {
        const scores = keys.slice(0, i + 1).map((key) => query.reduce((s, a, n) => s + a * key[n], 0) / Math.sqrt(SIZE));
        return [...softmax(scores), ...range(text.length - 1 - i).map(() => 0)];
      });
      if (!removed.includes(`${l + 1}.${h + 1}`)) {
        const heard = found.map((row) => Float64Array.from(range(SIZE), (n) => sum(values.map((value, j) => row[j] * value[n]))));
        const said = times(heard, layer.o, h * SIZE);
        x = x.map((row, i) => row.map((a, n) => a + said[i][n]));
      }
      return found;
    });
  });
  return { weights, logits: times(x, OUT) };
}

// The mean weight on the letter before, and on letters that followed the query's letter earlier.
function patternScores(weights, text) {
  const mean = (xs) => (xs.length ? sum(xs) / xs.length : 0);
  const places = range(text.length);
  const after = places.map((i) => places.filter((j) => j >= 1 && j <= i && text[j - 1] === text[i]));
  return [mean(places.slice(1).map((i) => weights[i][i - 1])),
    mean(places.filter((i) => after[i].length).map((i) => sum(after[i].map((j) => weights[i][j]))))];
}

function compute({ text: words, query, removed }) {
  const { weights, logits } = look(words, removed);
  const shares = logits.map((row) => softmax([...row]));
  const at = Math.min(query, words.length - 1);
  const scores = weights.flat().map((head) => patternScores(head, words));
  const known = range(words.length - 1).filter((i) => words.slice(0, i).includes(words[i]));
  const probability = Math.max(...shares[at]);
  return { weights, previous: scores.map((s) => s[0]), induction: scores.map((s) => s[1]), asks: words[at],
    next: ALPHABET[shares[at].indexOf(probability)], probability,
    loss: known.length ? sum(known.map((i) => -Math.log(shares[i][ALPHABET.indexOf(words[i + 1])]))) / known.length : 0 };
}

// The text with a bar above each letter; below it two rows of four heatmaps.
function plan(width, n) {
  const narrow = width < 600;
  const gap = narrow ? 8 : 22;
  const left = narrow ? 2 : 20;
  const size = Math.min((width - left - 44 - 3 * gap) / 4, 132);
  const pitch = Math.min(34, (width - 24) / n);
  const x = (i) => width / 2 + (i - (n - 1) / 2) * pitch;
  const top = 176;
  const row = size + 62;
  return { narrow, gap, left, size, pitch, x, top, row, height: top + 2 * row - 6 };
}

// The text, to be written over. Other characters than letters are left out.
const writing = ({ model, read, id }) => {
  const area = html("textarea", { id, rows: 1, maxlength: 60, autocomplete: "off", autocapitalize: "none", spellcheck: "false",
    style: "font: inherit; color: inherit; background: transparent; border: 1px solid var(--ab-muted); border-radius: 4px; height: 44px; line-height: 42px; padding: 0 0.6rem; width: 16rem; max-width: 62vw; resize: none; overflow: hidden; white-space: nowrap",
    oninput: () => {
      const letters = area.value.toLowerCase().replace(/[^a-z]/g, "").slice(0, LONGEST);
      if (letters.length >= 2) change(model, { text: letters, query: letters.length - 1 });
    },
    onblur: () => { area.value = read().text; } });
  return { node: html("div", { class: "ab-control" }, html("label", { for: id }, "Your text"), area),
    refresh: (state) => { if (document.activeElement !== area) area.value = state.text; } };
};

// What is removed is the head that is drawn above the text.
const remove = ({ model, read, id }) => {
  const words = html("span", {});
  const input = html("input", { type: "checkbox", id, onchange: () => {
    const { head, removed } = read();
    change(model, { removed: input.checked ? [...removed, head].sort() : removed.filter((name) => name !== head) });
  } });
  return { node: html("div", { class: "ab-control ab-toggle" }, input, html("label", { for: id }, words)),
    refresh: ({ head, removed }) => {
      input.checked = removed.includes(head);
      words.textContent = `Remove head ${head}`;
    } };
};

function drawHead({ weights, at, x, y, size }) {
  const cell = size / weights.length;
  const group = svg("g");
  group.innerHTML = weights.map((row, i) => row.map((w, j) => (w < 0.015 ? "" : `<rect x="${(x + j * cell).toFixed(2)}" y="${(y + i * cell).toFixed(2)}" \
width="${cell.toFixed(2)}" height="${cell.toFixed(2)}" class="ab-cell" fill-opacity="${w.toFixed(3)}"/>`)).join("")).join("");
  group.append(svg("rect", { x, y, width: size, height: size, class: "ab-outline" }),
    svg("rect", { x, y: y + at * cell, width: size, height: cell, class: "ab-query-line", "stroke-width": 1 }));
  return group;
}

function render({ model, el }) {
  const first = model.get("text");
  return figure({
    model, el,
    title: "Eight heads read your text; some look back, some find what came next last time",
    legend: [["query", "the letter that asks: a row"], ["key", "letters before it: columns"], ["weight", "weight"]],
    controls: [
      writing,
      remove,
      presets([["Repeated", { text: first, query: 9, head: "2.1", removed: [] }], ["banana", { text: "banana", query: 5 }],
        ["Nothing repeats", { text: "qwertyuiop", query: 9 }], ["Layer 2 removed", { removed: INDUCTION }]], { label: "Texts and removals" }),
    ],
    readouts: [
      { name: "asks", label: "after", role: "query" },
      { name: "next", label: "the model says" },
      { name: "probability", label: "with probability", digits: 2 },
      { name: "loss", label: "mean loss after letters seen before", show: (loss) => (loss ? `${text(loss)} nats` : "none yet") },
    ],
    height: (width) => plan(width, 2).height,
    compute,
    draw: ({ state, numbers, layer, width, set }) => {
      const n = state.text.length;
      const at = Math.min(state.query, n - 1);
      const { narrow, gap, left, size, pitch, x, top, row } = plan(width, n);
      const chosen = numbers.weights.flat()[NAMES.indexOf(state.head)][at];
      layer.append(label(2, 14, `head ${state.head}: where “${numbers.asks}” looks`, { class: "ab-weight-text" }));
      [...state.text].forEach((letter, i) => {
        const h = 62 * chosen[i];
        layer.append(svg("rect", { x: x(i) - pitch * 0.32, y: 94 - h, width: pitch * 0.64, height: h, class: "ab-weight" }));
        if (chosen[i] >= 0.1) layer.append(label(x(i), 90 - h, text(chosen[i], narrow && n > 14 ? 1 : 2), { "text-anchor": "middle" }));
        layer.append(label(x(i), 112, letter, { "text-anchor": "middle", style: "font-size: 15px", class: i === at ? "ab-query-text" : i < at ? "ab-key-text" : "ab-muted-text" }));
      });
      layer.append(svg("path", { d: `M${x(0) - pitch / 2},94.5H${x(n - 1) + pitch / 2}`, class: "ab-muted-line" }));
      NAMES.forEach((name, i) => {
        const [px, py] = [left + (i % 4) * (size + gap), top + Math.floor(i / 4) * row];
        const [previous, induction] = [numbers.previous[i], numbers.induction[i]];
        const gone = state.removed.includes(name);
        const pick = () => set({ head: name });
        const node = svg("g", { role: "button", tabindex: 0, style: "cursor: pointer", "aria-pressed": String(name === state.head),
          "aria-label": `Head ${name}${gone ? ", removed" : ""}: weight on the letter before ${text(previous)}, induction score ${text(induction)}`,
          onclick: pick, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } } },
        svg("rect", { x: px, y: py - 16, width: size, height: size + 46, class: "ab-hit" }),
        drawHead({ weights: numbers.weights.flat()[i], at, x: px, y: py, size }));
        node.append(label(px, py - 4, `head ${name}`, { style: name === state.head ? "font-weight: 700" : "" }),
          label(px, py + size + 15, `before ${text(previous)}`, { class: previous > 0.6 ? "ab-weight-text" : "ab-muted-text" }),
          label(px, py + size + 30, `induct. ${text(induction)}`, { class: induction > 0.6 ? "ab-weight-text" : "ab-muted-text" }));
        if (gone) node.append(svg("path", { d: `M${px},${py}l${size},${size}m0,${-size}l${-size},${size}`, class: "ab-muted-line", "stroke-width": 2 }));
        if (name === state.head) node.append(svg("rect", { x: px - 2, y: py - 2, width: size + 4, height: size + 4, class: "ab-cell-ring" }));
        layer.append(node);
      });
      layer.append(colourScale({ x: left + 4 * size + 3 * gap + 8, y: top, height: size, domain: [0, 1], name: "weight", digits: 0 }));
    },
    handles: ({ state, width, set }) => {
      const n = state.text.length;
      const at = Math.min(state.query, n - 1);
      const { x, pitch } = plan(width, n);
      return [{ id: "query", role: "query", label: "The letter that asks", range: [0, n - 1], now: at, value: `letter ${at + 1}, ${state.text[at]}`,
        // To the right of its letter, like a cursor: what it asks for comes next.
        at: [x(at) + 0.3 * pitch, 132], step: [pitch, 0], move: (px) => set({ query: clamp(Math.round(at + (px - x(at)) / pitch), 0, n - 1) }) }];
    },
  });
}

export default { render };
