// A list that grows page by page, by a button.

import { call } from "./api.js";
import { find } from "./page.js";
import { run } from "./shop.js";

/** Fill `place` with what `show` makes of each entry at `path`; `#more` asks for more, `#none` says none. */
export async function showPages(path, place, show) {
  const more = find("more");
  let next = path;
  async function showNext() {
    await run(async () => {
      const answer = await call("GET", next);
      place.append(...answer.results.map(show));
      next = answer.next && pathOf(answer.next);
      more.hidden = !next;
      find("none").hidden = place.childElementCount > 0;
    });
    place.removeAttribute("aria-busy");
  }
  more.onclick = showNext;
  place.replaceChildren();
  await showNext();
}

function pathOf(address) {
  const { pathname, search } = new URL(address);
  return pathname.replace("/api/v1", "") + search;
}
