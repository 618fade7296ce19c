// What the theme leaves undone; appended to its own scripts in site.js.
document.addEventListener("DOMContentLoaded", () => {
  // A formula that is wider than its place scrolls, and only then takes the keyboard's focus.
  const fit = () => {
    const root = document.querySelector("msqrt.ab-low");
    const gap = root && root.getBoundingClientRect().right - root.firstElementChild.getBoundingClientRect().right;
    document.documentElement.classList.toggle("ab-roots-fit", !!root && gap < 4);
    document.querySelectorAll(".ab-scroll, .bd-article span.math").forEach((box) => {
      if (box.tagName === "SPAN") {
        box.classList.remove("ab-wide");
        const room = box.parentElement.clientWidth || box.offsetParent?.clientWidth || Infinity;
        if (box.offsetWidth <= room) return;
        box.classList.add("ab-wide");
      }
      const wide = box.scrollWidth > box.clientWidth + 1;
      const set = (name, value) => (wide ? box.setAttribute(name, value) : box.removeAttribute(name));
      set("tabindex", "0");
      set("role", "group");
      set("aria-label", "Formula, scrolls sideways");
    });
  };
  fit();
  document.fonts.ready.then(fit);
  addEventListener("resize", fit);
  addEventListener("toggle", fit, true); // a formula in a dropdown has no width until it opens

  // A menu closes with Escape, or when the reader goes elsewhere.
  const menus = [...document.querySelectorAll("details.ab-menu")];
  const close = (keep) => menus.forEach((menu) => menu.contains(keep) || (menu.open = false));
  addEventListener("click", (event) => close(event.target));
  addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && menus.find((menu) => menu.open);
    if (open) open.querySelector("summary").focus();
    if (open) close();
  });

  // A drawer on a phone closes when its link leads to a place on this page.
  addEventListener("click", (event) => event.target.closest("dialog a")?.closest("dialog").close());

  // On paper every dropdown is open.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not(.ab-menu)").forEach((box) => (box.open = true));
  });
});
