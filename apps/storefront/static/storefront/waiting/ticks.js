// A worker that ticks: browsers slow down the timers of pages that nobody looks at, a worker's they do not.

setInterval(() => postMessage(null), 1000);
