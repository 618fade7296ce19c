// Checks answers, says why, and remembers what was right. What it says stands on the page already, in
// the list of answers under each question: this copies the part that fits.

const make = (tag, className, ...content) => {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...content);
  return node;
};
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/** The numbers that a typed text may mean: "0,5" and "1,000" are read as their writers mean them. */
function readings(text, unit) {
  let plain = text.replace(/\u2212/g, "-").replace(/[\s_\u00a0\u202f]/g, "").toLowerCase();
  const percent = plain.endsWith("%") && unit !== "%" ? 100 : 1;
  plain = plain.replace(/%$/, "");
  const words = unit.replace(/\s/g, "").toLowerCase();
  if (words && plain.endsWith(words)) plain = plain.slice(0, -words.length);
  const fraction = /^([^/]+)\/([^/]+)$/.exec(plain);
  const one = (s) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(s) ? Number(s) : NaN);
  const both = (s) => [one(s.replace(/,(?=\d{3}(\D|$))/g, "")), one(s.replace(",", "."))];
  const values = fraction ? [one(fraction[1]) / one(fraction[2])] : both(plain);
  return values.map((value) => value / percent).filter(Number.isFinite);
}

// ------------------------------------------------------------------ one judge for each kind
// Each returns {right, say, why}: a sentence and the explanations that go with it; or {ask}.

const judges = {
  one(place, answers) {
    const chosen = place.querySelector("input:checked");
    if (!chosen) return { ask: "Choose an answer first." };
    const answer = answers[chosen.value];
    return { right: "right" in answer.dataset, why: [answer] };
  },

  several(place, answers) {
    const boxes = [...place.querySelectorAll("input")];
    if (!boxes.some((box) => box.checked)) return { ask: "Choose at least one answer." };
    const right = (box) => "right" in answers[box.value].dataset;
    const chosen = boxes.filter((box) => box.checked);
    const wrong = chosen.filter((box) => !right(box));
    const missed = boxes.filter((box) => right(box) && !box.checked).length;
    if (!wrong.length && !missed) return { right: true, why: answers };
    const parts = [];
    if (wrong.length) parts.push(`${wrong.length} of the ${plural(chosen.length, "answer")} that you chose ${wrong.length === 1 ? "does" : "do"} not apply.`);
    if (missed) parts.push(`${missed === 1 ? "One more applies" : `${missed} more apply`}.`);
    return { right: false, say: parts.join(" "), why: wrong.map((box) => answers[box.value]) };
  },

  number(place, answers) {
    const values = readings(place.querySelector("input").value, place.dataset.unit);
    if (!values.length) return { ask: "Type a number, such as 0.25 or 1/4." };
    const near = (answer) => values.some((value) => Math.abs(value - Number(answer.dataset.value)) <= Number(place.dataset.tolerance) * (1 + 1e-9));
    const answer = answers.find((each) => "value" in each.dataset && near(each)) ?? answers.at(-1);
    return { right: "right" in answer.dataset, why: [answer] };
  },

  order(place, answers) {
    const steps = [...place.querySelectorAll("[data-step]")].map((step) => Number(step.dataset.step));
    if (steps.every((step, i) => step === i)) return { right: true, why: [answers[0]] };
    const mistake = answers.find(({ dataset }) => {
      const [early, late] = (dataset.swap ?? "").split(" ").map(Number);
      return dataset.swap && steps.indexOf(early) < steps.indexOf(late);
    });
    return { right: false, why: [mistake] };
  },
};

// ------------------------------------------------------------------ the page

function explain(feedback, { right, ask, say, why = [] }) {
  const verdict = make("p", "ab-verdict", make("b", "", ask ? "" : right ? "✓ Right." : "✗ Not yet."), " ", ask ?? say ?? "");
  const list = make("ul", "");
  for (const answer of why) {
    const text = answer.querySelector(".ab-why").cloneNode(true);
    const head = why.length > 1 ? [answer.querySelector(".ab-answer").cloneNode(true)] : [];
    list.append(make("li", "", ...head, text));
  }
  if (why.length === 1) feedback.replaceChildren(verdict, ...list.firstChild.childNodes);
  else feedback.replaceChildren(verdict, ...(why.length ? [list] : []));
  feedback.dataset.verdict = ask ? "" : right ? "right" : "wrong";
}

function move(button) {
  const step = button.closest("li");
  const by = Number(button.dataset.move);
  const other = by < 0 ? step.previousElementSibling : step.nextElementSibling;
  const letter = step.querySelector("b").textContent;
  if (other) by < 0 ? other.before(step) : other.after(step);
  button.focus(); // moving an element takes the focus from it
  const place = [...step.parentNode.children].indexOf(step) + 1;
  return `${letter} is now step ${place} of ${step.parentNode.children.length}.`;
}

function mount(quiz) {
  const chapter = quiz.dataset.quiz;
  const places = [...quiz.querySelectorAll(".ab-question")];
  const ids = new Set(places.map((place) => place.dataset.id));
  const kept = () => (progress.read(chapter)?.right ?? []).filter((id) => ids.has(id));
  const right = new Set(kept());

  const state = quiz.querySelector(".ab-state");
  const [clearOne, clearAll] = quiz.querySelectorAll("[data-clear]");

  const show = () => {
    state.textContent = `${right.size} of ${places.length} answered right. ${progress.lasts ? "Kept in this browser only." : "This browser keeps nothing: it is forgotten when you leave."}`;
    clearOne.hidden = !right.size;
    clearAll.hidden = !progress.any();
    for (const place of places) {
      const legend = place.querySelector("legend");
      legend.querySelector("span")?.remove();
      if (right.has(place.dataset.id)) legend.append(make("span", "", " ✓ answered"));
    }
    markChapters();
  };

  const reset = (everywhere) => {
    progress.clear(everywhere ? null : chapter);
    right.clear();
    for (const place of places) {
      place.querySelectorAll("input").forEach((input) => (input.type === "text" ? (input.value = "") : (input.checked = false)));
      place.querySelector(".ab-feedback").replaceChildren();
    }
    show();
    places[0].querySelector("input, button").focus({ preventScroll: true }); // the button hides itself
  };
  onProgressElsewhere(() => {
    right.clear();
    kept().forEach((id) => right.add(id));
    show();
  });
  clearOne.addEventListener("click", () => reset(false));
  clearAll.addEventListener("click", () => reset(true));

  for (const place of places) {
    const answers = [...place.querySelectorAll(".ab-solution > ul > li")];
    const feedback = place.querySelector(".ab-feedback");
    const check = () => {
      const verdict = judges[place.dataset.kind](place, answers);
      explain(feedback, verdict);
      if (!verdict.right) return;
      kept().forEach((id) => right.add(id)); // another tab may have answered since
      right.add(place.dataset.id);
      progress.write(chapter, { right: [...right], of: places.length });
      show();
    };
    place.querySelector(".ab-check").addEventListener("click", check);
    place.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) check();
    });
    place.querySelectorAll("[data-move]").forEach((button) => {
      button.addEventListener("click", () => explain(feedback, { ask: move(button) }));
    });
  }
  show();
}

document.querySelectorAll(".ab-quiz").forEach(mount);
