// What this browser remembers: in `shared` for all tabs, in `own` for one tab. A browser that keeps
// nothing (private windows with storage switched off) still works, page by page.

function wrap(storage) {
  return {
    get(key) {
      try {
        return JSON.parse(storage().getItem(`encore.${key}`));
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        if (value === null) storage().removeItem(`encore.${key}`);
        else storage().setItem(`encore.${key}`, JSON.stringify(value));
      } catch {
        // Full, or switched off: the page goes on with what it has in memory.
      }
    },
  };
}

export const shared = wrap(() => window.localStorage);
export const own = wrap(() => window.sessionStorage);

/** Call `changed(value)` whenever another tab changes what all tabs share under `key`. */
export function onShared(key, changed) {
  window.addEventListener("storage", (event) => {
    if (event.key === `encore.${key}`) changed(shared.get(key));
  });
}
