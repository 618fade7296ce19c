// A browser may refuse storage to a page. Then the theme's scripts would stop with an error, and so
// would ours: here is a stand-in that lasts until the page is left.
for (const name of ["localStorage", "sessionStorage"]) {
  try {
    window[name].getItem("");
  } catch {
    class Memory {
      getItem(key) {
        return Object.hasOwn(this, key) ? this[key] : null;
      }
      setItem(key, value) {
        this[key] = String(value);
      }
      removeItem(key) {
        delete this[key];
      }
    }
    Object.defineProperty(window, name, { value: new Memory() });
    document.documentElement.dataset.storage = "none";
  }
}
