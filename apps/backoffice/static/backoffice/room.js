// The page of a waiting room: its figures and charts, refreshed while somebody looks.

const REFRESH_MS = 5000;
const POINTS = 120;

const room = document.getElementById("room");
const alarm = document.getElementById("room-alarm");
const texts = JSON.parse(document.getElementById("room-texts").textContent);
const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: texts.time_zone });

let hours = Number(document.querySelector("[data-hours][aria-pressed=true]").dataset.hours);
// By when a span began: [since, waiting, inside, capacity, entered a minute].
let moments = new Map();
let asked = 0;

function colour(name) {
  return getComputedStyle(room).getPropertyValue(name).trim();
}

function makeChart(id, datasets) {
  return new Chart(document.getElementById(id), {
    data: { labels: [], datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { intersect: false, mode: "index" },
      elements: { point: { radius: 0 }, line: { borderWidth: 2 } },
      plugins: { legend: { display: datasets.length > 1 } },
      scales: {
        x: { ticks: { maxTicksLimit: 6, maxRotation: 0 }, grid: { display: false } },
        y: { beginAtZero: true, ticks: { precision: 0, maxTicksLimit: 5 } },
      },
    },
  });
}

const charts = {
  waiting: makeChart("chart-waiting", [{ type: "line", label: texts.waiting, fill: true, stepped: true }]),
  inside: makeChart("chart-inside", [
    { type: "line", label: texts.inside, fill: true, stepped: true },
    { type: "line", label: texts.capacity, borderDash: [6, 4], stepped: true },
  ]),
  entered: makeChart("chart-entered", [{ type: "bar", label: texts.entered, barPercentage: 1, categoryPercentage: 1 }]),
};

function paint() {
  const main = [colour("--encore-sold"), colour("--encore-danger")];
  const line = colour("--encore-line");
  const muted = colour("--encore-muted");
  for (const chart of Object.values(charts)) {
    chart.data.datasets.forEach((dataset, index) => {
      dataset.borderColor = main[index];
      dataset.backgroundColor = dataset.type === "bar" ? main[index] : `${main[index]}33`;
    });
    chart.options.plugins.legend.labels = { color: muted, usePointStyle: true, pointStyle: "line" };
    chart.options.scales.x.ticks.color = muted;
    chart.options.scales.y.ticks.color = muted;
    chart.options.scales.y.grid = { color: line };
    chart.update();
  }
}

function draw(answer) {
  for (const moment of answer.moments) moments.set(moment[0], moment);
  const labels = [];
  const [waiting, inside, capacity, entered] = [[], [], [], []];
  // Nothing is written down while nothing happens: until the next moment all stays as it was.
  let last = [0, 0, 0, null, 0];
  for (let point = 0; point < POINTS; point += 1) {
    const since = answer.first + point * answer.step_s;
    const moment = moments.get(since);
    last = moment ?? [since, last[1], last[2], last[3], 0];
    labels.push(clock.format(since * 1000));
    waiting.push(last[1]);
    inside.push(last[2]);
    capacity.push(last[3]);
    entered.push(last[4]);
  }
  for (const since of moments.keys()) if (since < answer.first) moments.delete(since);
  set(charts.waiting, labels, waiting);
  set(charts.inside, labels, inside, capacity);
  set(charts.entered, labels, entered);
}

function set(chart, labels, ...values) {
  chart.data.labels = labels;
  values.forEach((data, index) => { chart.data.datasets[index].data = data; });
  chart.update();
}

function show(answer) {
  for (const [name, text] of Object.entries(answer.figures)) {
    document.querySelector(`[data-figure=${name}]`).textContent = text;
  }
  document.getElementById("room-state").className = `encore-state encore-state-${answer.state}`;
  tell(answer.alarm);
  draw(answer);
}

function tell(text) {
  if (alarm.textContent !== text) alarm.textContent = text;
}

async function refresh() {
  const own = ++asked;
  const query = new URLSearchParams({ hours });
  if (moments.size) query.set("since", Math.max(...moments.keys()));
  try {
    const response = await fetch(`${room.dataset.url}?${query}`, { credentials: "same-origin" });
    if (!response.ok) throw new Error(response.status);
    const answer = await response.json();
    if (own === asked) show(answer);
  } catch {
    if (own === asked) tell(texts.stale);
  }
}

for (const button of document.querySelectorAll("[data-hours]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-hours]")) other.setAttribute("aria-pressed", String(other === button));
    hours = Number(button.dataset.hours);
    moments = new Map();
    refresh();
  });
}

paint();
refresh();
new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["class"] });
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
