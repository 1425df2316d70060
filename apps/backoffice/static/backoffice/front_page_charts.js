// The charts of the front page. Each canvas has its text beside it, and says the same to screen readers.

import { numbers, words } from "./front_page_words.js";

export const STATES = ["sold", "reserved", "held", "free", "blocked"];
const Chart = window.Chart;

/** Return a colour of the theme in force. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--encore-${name}`).trim();
}

/** Draw on `canvas`, or draw anew; `summary` says the same in words. */
function draw(canvas, summary, type, data, options) {
  canvas.setAttribute("aria-label", summary);
  const chart = Chart.getChart(canvas);
  const full = { animation: false, maintainAspectRatio: false, responsive: true, ...options };
  if (!chart) {
    new Chart(canvas, { type, data, options: full });
    return;
  }
  chart.data.labels = data.labels;
  data.datasets.forEach((dataset, index) => {
    chart.data.datasets[index] = Object.assign(chart.data.datasets[index] ?? {}, dataset);
  });
  chart.options = full;
  chart.update();
}

function axis(options = {}) {
  const { ticks, ...rest } = options;
  return {
    border: { color: colour("line") },
    grid: { color: colour("line") },
    ticks: { color: colour("muted"), font: { size: 11 }, maxRotation: 0, ...ticks },
    ...rest,
  };
}

/** Draw the seats of a concert as one bar. */
export function drawSeats(canvas, title, seats) {
  const named = STATES.map((state) => `${words.states[state]} ${numbers.format(seats[state])}`);
  const data = {
    labels: [title],
    datasets: STATES.map((state) => ({
      label: words.states[state],
      data: [seats[state]],
      backgroundColor: colour(state),
      barPercentage: 1,
      categoryPercentage: 1,
    })),
  };
  draw(canvas, `${title}: ${named.join(", ")}`, "bar", data, {
    indexAxis: "y",
    plugins: { legend: { display: false }, tooltip: { enabled: false } },
    scales: {
      x: { display: false, stacked: true, max: Math.max(seats.total, 1) },
      y: { display: false, stacked: true },
    },
  });
}

/** Draw a figure of a room over the last hours. */
export function drawLine(canvas, summary, labels, values, options) {
  const shade = colour(options.colour);
  const data = {
    labels,
    datasets: [
      {
        data: values,
        borderColor: shade,
        backgroundColor: `${shade}33`,
        borderWidth: 2,
        fill: true,
        pointRadius: 0,
        pointHitRadius: 8,
      },
    ],
  };
  draw(canvas, summary, "line", data, {
    interaction: { intersect: false, mode: "index" },
    plugins: { legend: { display: false } },
    scales: {
      x: axis({ grid: { display: false }, ticks: { maxTicksLimit: 4 } }),
      y: axis({
        beginAtZero: true,
        suggestedMax: options.max,
        ticks: { callback: (value) => numbers.format(value), maxTicksLimit: 4, precision: 0 },
      }),
    },
  });
}

/** Draw figures by hour. */
export function drawHours(canvas, summary, hours, datasets, format) {
  draw(canvas, summary, "bar", { labels: hours, datasets }, {
    interaction: { intersect: false, mode: "index" },
    plugins: {
      legend: { display: datasets.length > 1, labels: { color: colour("text"), boxWidth: 12 } },
      tooltip: {
        callbacks: { label: (item) => `${item.dataset.label} ${format(item.parsed.y)}` },
      },
    },
    scales: {
      x: axis({ grid: { display: false }, stacked: true, ticks: { maxTicksLimit: 8 } }),
      y: axis({
        stacked: true,
        suggestedMax: 1,
        ticks: { callback: format, maxTicksLimit: 6, precision: 0 },
      }),
    },
  });
}

/** Forget the charts within an element that goes. */
export function drop(element) {
  for (const canvas of element.querySelectorAll("canvas")) Chart.getChart(canvas)?.destroy();
}
