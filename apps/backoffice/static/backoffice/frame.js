// Names for what Unfold leaves without: fields in the rows of a table, and select2's boxes. Its icons are
// words to whoever listens; beside a text they are kept quiet.

function nameField(field) {
  const cell = field.closest("td");
  const index = cell ? [...cell.parentElement.children].indexOf(cell) : -1;
  const heading = cell?.closest("table")?.querySelectorAll("thead th")[index];
  const text = heading?.textContent.trim() || cell?.dataset.label;
  if (text && !field.labels?.length) {
    field.setAttribute("aria-label", text);
  }
}

function nameBox(box) {
  const select = box.closest(".select2")?.previousElementSibling;
  const label = select?.labels?.[0]?.textContent.trim() || select?.getAttribute("aria-label");
  if (label) {
    box.removeAttribute("aria-labelledby");
    for (const part of [box, box.querySelector("[role=textbox]")]) {
      part?.setAttribute("aria-label", label);
    }
  }
}

function quietIcon(icon) {
  if (icon.parentElement.textContent.trim() !== icon.textContent.trim()) {
    icon.setAttribute("aria-hidden", "true");
  }
}

function nameAll() {
  document.querySelectorAll("span.material-symbols-outlined").forEach(quietIcon);
  document
    .querySelectorAll(".inline-related td :is(input, select, textarea):not([type=hidden])")
    .forEach(nameField);
  document.querySelectorAll(".select2-selection").forEach(nameBox);
}

// Select2 makes its boxes when jQuery is ready, which may be after the page is.
const madeLater = new MutationObserver((changes) => {
  const added = changes.flatMap((change) => [...change.addedNodes]);
  if (added.some((node) => node.classList?.contains("select2"))) {
    nameAll();
  }
});

window.addEventListener("load", () => {
  nameAll();
  madeLater.observe(document.body, { childList: true, subtree: true });
});
document.addEventListener("formset:added", () => window.setTimeout(nameAll));
