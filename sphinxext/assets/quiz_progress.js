// Which quiz questions the reader has answered, kept in this browser alone; and the marks that say so
// beside each chapter in the lists of chapters.
const PREFIX = "attnbook-quiz:";

const progress = {
  lasts: document.documentElement.dataset.storage !== "none",
  /** {right: [ids], of: number}, or null. */
  read(chapter) {
    try {
      const kept = JSON.parse(localStorage.getItem(PREFIX + chapter));
      return Array.isArray(kept?.right) && kept.of > 0 ? kept : null;
    } catch {
      return null; // not written by us
    }
  },
  write(chapter, kept) {
    try {
      localStorage.setItem(PREFIX + chapter, JSON.stringify(kept));
    } catch {
      this.lasts = false; // no room is left: go on without
    }
  },
  /** Forget one chapter, or all. */
  clear(chapter) {
    const ours = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    ours.filter((key) => !chapter || key === PREFIX + chapter).forEach((key) => localStorage.removeItem(key));
  },
  any() {
    return Object.keys(localStorage).some((key) => key.startsWith(PREFIX));
  },
};

/** Write "4 of 6" beside each link to a chapter whose quiz was begun. */
function markChapters() {
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href).pathname;
  document.querySelectorAll(".ab-quiz-mark").forEach((mark) => mark.remove());
  for (const link of document.querySelectorAll("nav.bd-links a, article dt > a")) {
    const path = new URL(link.href, location.href).pathname;
    const kept = path.startsWith(root) && progress.read(decodeURI(path.slice(root.length)).replace(/\.html$/, ""));
    if (!kept || (link.hash && link.getAttribute("href") !== "#")) continue;
    const mark = document.createElement("span");
    mark.className = "ab-quiz-mark";
    mark.textContent = ` quiz ${kept.right.length} of ${kept.of}${kept.right.length >= kept.of ? " ✓" : ""}`;
    link.append(mark);
  }
}

/** Call `act` when the kept answers changed elsewhere: in another tab, or on a page that this one came back from. */
function onProgressElsewhere(act) {
  addEventListener("storage", ({ key }) => (key === null || key.startsWith(PREFIX)) && act());
  addEventListener("pageshow", ({ persisted }) => persisted && act());
}

markChapters();
onProgressElsewhere(markChapters);
