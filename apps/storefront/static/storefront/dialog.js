// A question that must be answered before something is done that cannot be taken back.

import { element } from "./page.js";

/** Ask; return whether the answer is yes. Escape is no. */
export function ask({ title, text, yes, no }) {
  return new Promise((resolve) => {
    const dialog = element(
      "dialog", { class: "card", "aria-labelledby": "dialog-title" },
      element("h2", { id: "dialog-title" }, title),
      element("p", {}, text),
      element(
        "form", { method: "dialog", class: "actions" },
        element("button", { value: "no" }, no),
        element("button", { value: "yes", class: "danger" }, yes),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
