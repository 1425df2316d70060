// Where seats stand to each other.

/** Return the distance between neighbours: the median in the rows, so that a few odd places do not count. */
export function findPitch({ count, section, row, xs, ys }) {
  const gaps = [];
  for (let i = 1; i < count; i++) {
    if (row[i] !== row[i - 1] || section[i] !== section[i - 1]) continue;
    const gap = Math.hypot(xs[i] - xs[i - 1], ys[i] - ys[i - 1]);
    if (gap > 0) gaps.push(gap);
  }
  gaps.sort((a, b) => a - b);
  return gaps.length ? gaps[gaps.length >> 1] : 1;
}

/** Return the nearest seat in a direction, which prefers what is straight ahead; -1 where none is. */
export function findNext({ count, xs, ys }, from, dx, dy) {
  let best = -1;
  let least = Infinity;
  for (let i = 0; i < count; i++) {
    const along = (xs[i] - xs[from]) * dx + (ys[i] - ys[from]) * dy;
    if (along <= 1e-9) continue;
    const across = Math.abs((xs[i] - xs[from]) * dy) + Math.abs((ys[i] - ys[from]) * dx);
    const cost = along + across * 2.5;
    if (cost < least) {
      least = cost;
      best = i;
    }
  }
  return best;
}

/** Return where the name of each section stands: above the middle of its first row. */
export function listLabels(seats) {
  const boxes = seats.sections.map((name) => ({ name, left: Infinity, right: -Infinity, y: Infinity }));
  for (let i = 0; i < seats.count; i++) {
    const box = boxes[seats.section[i]];
    box.left = Math.min(box.left, seats.xs[i]);
    box.right = Math.max(box.right, seats.xs[i]);
    box.y = Math.min(box.y, seats.ys[i]);
  }
  return boxes.map(({ name, left, right, y }) => ({ name, y, x: (left + right) / 2, width: right - left }));
}
