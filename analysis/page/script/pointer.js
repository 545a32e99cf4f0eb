// Mouse, pen and fingers on the chart: point, choose, drag, pinch, turn the wheel.

const STILL = 5; // pixels a press may move and still be a click

function listenToPointer(chart) {
  const canvas = chart.marks;
  const down = new Map();
  let moved = 0;
  const at = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    down.set(event.pointerId, at(event));
    moved = 0;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = down.get(event.pointerId);
    if (!before) return chart.point(chart.nearest(now.x, now.y));
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (down.size === 2) pinch(chart, down, event.pointerId, now);
    else if (moved > STILL) chart.pan(now.x - before.x, now.y - before.y);
    down.set(event.pointerId, now);
    return undefined;
  });
  canvas.addEventListener("pointerup", (event) => {
    const now = at(event);
    if (down.delete(event.pointerId) && moved <= STILL) {
      // A finger is thicker than a mouse pointer.
      chart.point(chart.nearest(now.x, now.y, event.pointerType === "mouse" ? REACH : 2 * REACH));
      chart.choosePointed();
    }
  });
  canvas.addEventListener("pointercancel", (event) => down.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => chart.point(-1));
  canvas.addEventListener("wheel", (event) => turn(chart, event, at(event)), { passive: false });
  canvas.addEventListener("dblclick", (event) => chart.zoom(0.5, at(event).x, at(event).y));
}

/** The wheel zooms where the chart has the focus, or with Ctrl; else the page scrolls as one expects. */
function turn(chart, event, { x, y }) {
  if (!event.ctrlKey && document.activeElement !== chart.marks) return;
  event.preventDefault();
  chart.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.004), x, y);
}

function pinch(chart, down, id, now) {
  const other = [...down].find(([key]) => key !== id)[1];
  const before = down.get(id);
  const wide = (a) => Math.max(20, Math.hypot(a.x - other.x, a.y - other.y));
  chart.zoom(wide(before) / wide(now), (now.x + other.x) / 2, (now.y + other.y) / 2);
}
