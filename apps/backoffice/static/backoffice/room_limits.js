// The forecast beside a room's limits, asked for again while they are typed.

const panel = document.getElementById("forecast");
const form = document.querySelector("#confirm form");
const names = ["capacity", "admit_per_minute", "session_seconds", "idle_seconds", "opens_at"];
const PAUSE_MS = 300;

let timer = 0;
let latest = 0;

function show(answer) {
  const rows = panel.querySelectorAll("tbody tr");
  answer.rows.forEach((row, index) => {
    const [now, then] = rows[index].querySelectorAll("td");
    now.textContent = row.now;
    then.textContent = row.then;
  });
  tell(answer.warnings);
}

function tell(sentences) {
  panel.querySelector(".encore-warnings").replaceChildren(
    ...sentences.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }),
  );
}

function showErrors(errors) {
  for (const row of panel.querySelectorAll("tbody tr")) row.lastElementChild.textContent = "–";
  tell(Object.values(errors).flat());
}

async function ask() {
  const own = ++latest;
  const typed = new URLSearchParams(names.map((name) => [name, form.elements[name].value]));
  panel.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(`${panel.dataset.url}?${typed}`, { credentials: "same-origin" });
    // Only the answer to what is typed now.
    if (own !== latest) return;
    const answer = await response.json();
    if (response.ok) show(answer);
    else showErrors(answer.errors);
  } catch {
    if (own === latest) showErrors({});
  } finally {
    if (own === latest) panel.removeAttribute("aria-busy");
  }
}

form.addEventListener("input", (event) => {
  if (!names.includes(event.target.name)) return;
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE_MS);
});
