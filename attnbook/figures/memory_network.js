// A memory network reads a story: bags of words, looked up once or twice, with trained weights.
// DATA is data/memory_network.json, joined in front of this module.
const ACTORS = ["Mary", "John", "Daniel", "Sandra"];
const PLACES = ["kitchen", "bathroom", "bedroom", "garden", "hallway", "office"];
const THINGS = ["football", "apple", "milk"];
const VERBS = { go: ["went to", "moved to", "travelled to", "journeyed to"], take: ["took", "got", "grabbed", "picked up"],
  drop: ["dropped", "put down", "left", "discarded"] };
const KINDS = Object.fromEntries(Object.entries(VERBS).flatMap(([kind, verbs]) => verbs.map((verb) => [verb, kind])));
const NOT_TOLD = "the story does not say";
const LONGEST = 8;
const objectsOf = (verb) => (KINDS[verb] === "go" ? PLACES : THINGS);
const told = ([actor, verb, thing]) => `${actor} ${verb} the ${thing}.`;
const asked = (word) => `Where is ${THINGS.includes(word) ? "the " : ""}${word}?`;

// What follows from the story: a thing is where it was put down, or where the one is who took it.
function follows(sentences, word) {
  const place = {}, where = {};
  for (const [actor, verb, thing] of sentences) {
    if (KINDS[verb] === "go") place[actor] = thing;
    else where[thing] = KINDS[verb] === "take" ? actor : place[actor] ?? NOT_TOLD;
  }
  const at = where[word] ?? word;
  return ACTORS.includes(at) ? place[at] ?? NOT_TOLD : PLACES.includes(at) ? at : NOT_TOLD;
}

const add = (a, b) => a.map((x, i) => x + b[i]);
const scaled = (rows) => rows.map((row) => row.map((x) => x * DATA.unit));
const NETWORKS = Object.fromEntries(Object.entries(DATA.networks).map(([name, { hops, words, times }]) =>
  [name, { hops, words: words.map(scaled), times: times?.map(scaled) }]));
const numbersOf = (text) => text.toLowerCase().match(/[\w'-]+/g).map((word) => DATA.vocabulary.indexOf(word));

function compute({ sentences, question, network }) {
  const { hops, words, times } = NETWORKS[network];
  const bag = (table, text) => numbersOf(text).map((n) => words[table][n]).reduce(add);
  const memory = range(hops + 1).map((table) => sentences.map((sentence, i) => {
    const sum = bag(table, told(sentence));
    return times ? add(sum, times[table][sentences.length - 1 - i]) : sum;
  }));
  let u = bag(0, asked(question));
  const weights = [];
  for (const hop of range(hops)) {
    const p = softmax(memory[hop].map((m) => dot(u, m)));
    weights.push(p);
    u = add(u, u.map((_, k) => blend(p, memory[hop + 1].map((c) => c[k]))));
  }
  const answers = softmax(words[hops].map((w) => dot(u, w)));
  const probability = Math.max(...answers);
  return { weights, answers, answer: DATA.vocabulary[answers.indexOf(probability)], probability, follows: follows(sentences, question) };
}

// A row for each sentence: its words, and a bar for each hop beside them, or beneath on a phone.
function plan(width) {
  const narrow = width < 600;
  const row = narrow ? 44 : 29;
  const top = narrow ? 32 : 30;
  const foot = top + LONGEST * row;
  return { narrow, row, top, foot, left: narrow ? 22 : 262, height: foot + (narrow ? 132 : 112) };
}

const options = (select, words, chosen) => {
  if ([...select.options].map((o) => o.value).join() !== words.join()) select.replaceChildren(...words.map((w) => html("option", { value: w }, w)));
  select.value = chosen;
};

// The story as lists to choose from, one row for each sentence.
const editor = ({ model, read, id }) => {
  const rows = html("div", { role: "group", "aria-label": "Sentences of the story" });
  const write = (sentences) => change(model, { sentences });
  const addButton = html("button", { type: "button", onclick: () => write([...read().sentences, ["John", "went to", "kitchen"]]) }, "Add a sentence");
  const node = html("details", { class: "ab-more", style: "flex: 1 1 100%; min-width: 0" }, html("summary", {}, "Write your own story"), rows,
    html("div", { class: "ab-buttons", style: "margin-top: 0.4rem" }, addButton));
  function makeRow(i) {
    const set = (at) => (event) => write(read().sentences.map((sentence, j) => {
      if (j !== i) return sentence;
      const next = sentence.with(at, event.target.value);
      return objectsOf(next[1]).includes(next[2]) ? next : next.with(2, objectsOf(next[1])[0]);
    }));
    const selects = ["who", "did what", "to what or where"].map((words, at) => html("select", { id: `${id}-${i}-${at}`, style: `padding: 0 0.2rem; min-width: 0; width: 0; flex: ${[6, 9, 7.5][at]}`,
      "aria-label": `Sentence ${i + 1}: ${words}`, onchange: set(at) }));
    const remove = html("button", { type: "button", style: "flex: none; width: 44px; padding: 0", "aria-label": `Remove sentence ${i + 1}`, onclick: () => {
      write(read().sentences.filter((_, j) => j !== i));
      // The row may be gone when this is drawn: the focus stays in the story.
      queueMicrotask(() => (rows.children[Math.min(i, rows.children.length - 1)].lastChild).focus());
    } }, "×");
    return html("div", { style: "display: flex; gap: 0.3rem; max-width: 30rem; margin-bottom: 0.3rem; align-items: center" },
      html("span", { style: "flex: none; width: 0.8rem", class: "ab-muted-text", "aria-hidden": "true" }, String(i + 1)), ...selects, remove);
  }
  return { node, refresh: ({ sentences }) => {
    while (rows.children.length > sentences.length) rows.lastChild.remove();
    while (rows.children.length < sentences.length) rows.append(makeRow(rows.children.length));
    sentences.forEach(([actor, verb, thing], i) => {
      const [who, did, what] = rows.children[i].querySelectorAll("select");
      options(who, ACTORS, actor);
      options(did, Object.keys(KINDS), verb);
      options(what, objectsOf(verb), thing);
      rows.children[i].lastChild.disabled = sentences.length === 1;
    });
    addButton.disabled = sentences.length === LONGEST;
  } };
};

const TWICE = [["Mary", "went to", "office"], ["Sandra", "moved to", "kitchen"], ["Mary", "journeyed to", "garden"], ["Daniel", "took", "milk"], ["Mary", "travelled to", "bedroom"], ["Sandra", "went to", "hallway"]];
const DROPPED = [["John", "went to", "garden"], ["John", "took", "football"], ["John", "dropped", "football"], ["John", "moved to", "office"]];

function render({ model, el }) {
  const start = structuredClone(model.get("sentences"));
  return figure({
    model, el,
    title: "The first hop finds who has it, the second where that person is",
    legend: [["key", "sentences (keys and values)"], ["query", "question"], ["weight", "weight of a sentence in a hop"], ["value", "answers"]],
    controls: [
      choice("question", { label: "Ask for", options: [...THINGS.map((t) => [t, `the ${t}`]), ...ACTORS.map((a) => [a, a])] }),
      choice("network", { label: "Network", options: [["two", "two hops"], ["one", "one hop"], ["no order", "two hops, no order"]] }),
      presets([["A thing", { sentences: start, question: "apple" }], ["Three moves", { sentences: TWICE, question: "Mary" }],
        ["Put down", { sentences: DROPPED, question: "football" }]], { label: "Stories" }),
      editor,
    ],
    readouts: [
      { name: "answer", label: "answer", role: "value" },
      { name: "probability", label: "its probability", digits: 2, role: "value" },
      { name: "follows", label: "what follows from the story:" },
    ],
    height: (width) => plan(width).height,
    compute,
    draw: ({ state, numbers, layer, width }) => {
      const { narrow, row, top, foot, left } = plan(width);
      const hops = numbers.weights.length;
      const gap = narrow ? 14 : 24;
      const room = (width - left - gap * (hops - 1)) / hops;
      const bars = range(hops).map((h) => linear([0, 1], [left + h * (room + gap), left + h * (room + gap) + room - 40]));
      bars.forEach((x, h) => {
        layer.append(label(x(0), 14, `hop ${h + 1}`, { class: "ab-weight-text" }));
      });
      state.sentences.forEach((sentence, i) => {
        const y = top + row * i;
        const most = numbers.weights.some((p) => p[i] > 0.5);
        layer.append(marker("key", 6, y + (narrow ? 6 : 13), 4), label(22, y + (narrow ? 10 : 17), `${i + 1}  ${told(sentence)}`, { style: most ? "font-weight: 600" : "" }));
        bars.forEach((x, h) => {
          const p = numbers.weights[h][i];
          const mid = y + (narrow ? 24 : 13);
          layer.append(svg("path", { d: `M${x(0)},${mid}H${x(1)}`, class: "ab-hair" }),
            svg("rect", { x: x(0), y: mid - 6, width: x(p) - x(0), height: 12, class: "ab-weight" }),
            label(x(1) + 6, mid + 4, text(p), { class: "ab-weight-text" }));
        });
      });
      // Below the story the question, and the three words that the network holds for likeliest.
      layer.append(svg("path", { d: `M0,${foot + 2}H${width}`, class: "ab-hair" }), marker("query", 6, foot + 24, 5),
        label(22, foot + 28, asked(state.question), { class: "ab-query-text", style: "font-weight: 600" }));
      const best = numbers.answers.map((p, n) => [p, n]).sort(([p], [q]) => q - p).slice(0, 3);
      const x = linear([0, 1], [narrow ? 96 : left, width - 40]);
      best.forEach(([p, n], i) => {
        const y = foot + (narrow ? 54 : 24) + 26 * i;
        layer.append(label(x(0) - 10, y + 4, DATA.vocabulary[n] || "no word", { class: "ab-value-text", "text-anchor": "end", style: i ? "" : "font-weight: 600" }),
          svg("path", { d: `M${x(0)},${y}H${x(1)}`, class: "ab-hair" }),
          svg("rect", { x: x(0), y: y - 6, width: x(p) - x(0), height: 12, class: "ab-value" }),
          label(x(1) + 6, y + 4, text(p), { class: "ab-value-text" }));
      });
    },
  });
}
export default { render };
