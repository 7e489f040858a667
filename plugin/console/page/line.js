// A plain graph, where the bundle with the better one is not built in. It has the same interface.

const svg = (name, attributes) => {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
};

/** graph draws the series of the last seconds into element. push adds a value for each, at a time in seconds since 1970; null where there is none. */
export function graph(element, { series, seconds }) {
  const [width, height] = [300, 60];
  const drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', class: 'line-graph', 'aria-hidden': 'true' });
  const lines = series.map((_, i) => drawing.appendChild(svg('polyline', { class: `series-${i}`, 'vector-effect': 'non-scaling-stroke' })));
  element.replaceChildren(drawing);
  const points = [];
  return {
    push(time, values) {
      points.push([time, ...values]);
      while (points[0][0] < time - seconds) points.shift();
      const most = Math.max(1e-9, ...points.flatMap(([, ...all]) => all));
      lines.forEach((line, i) => line.setAttribute('points', points.filter((p) => p[i + 1] !== null)
        .map(([at, ...all]) => `${(width - ((time - at) / seconds) * width).toFixed(1)},${(height - 2 - (all[i] / most) * (height - 6)).toFixed(1)}`).join(' ')));
    },
  };
}
