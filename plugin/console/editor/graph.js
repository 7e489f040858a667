// Graphs of the newest figures, drawn by uPlot.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const dark = matchMedia('(prefers-color-scheme: dark)');
const names = ['--accent', '--quiet', '--warn', '--bad']; // of the series' colours

/**
 * graph draws the series of the last seconds into element, in the colours of the page. push adds a value for each, at a
 * time in seconds since 1970; null where there is none.
 */
export function graph(element, { series, seconds }) {
  const data = [[], ...series.map(() => [])];
  const height = () => element.clientHeight || 120;
  const color = (name) => () => resolve(element, name);
  const axis = { stroke: color('--quiet'), font: '11px system-ui, sans-serif', ticks: { show: false } };
  const plot = new uPlot({
    width: element.clientWidth,
    height: height(),
    legend: { show: false },
    cursor: { show: false },
    padding: [6, 4, 0, 0],
    scales: { x: { range: (_, __, last) => [last - seconds, last] }, y: { range: (_, __, most) => [0, most * 1.1 || 1] } },
    axes: [
      {
        ...axis,
        size: 18,
        gap: 2,
        grid: { show: false },
        splits: (u) => [0.8, 0.4].map((part) => u.scales.x.max - part * seconds),
        values: (u, splits) => splits.map((at) => `${+((u.scales.x.max - at) / 60).toFixed(1)} min ago`),
      },
      { ...axis, size: 34, gap: 4, space: 24, grid: { stroke: color('--line'), width: 1 } },
    ],
    series: [{}, ...series.map(({ label }, i) => ({ label, stroke: color(names[i]), width: 1.5, spanGaps: true, points: { show: false } }))],
  }, data, element);
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: height() })).observe(element);
  dark.addEventListener('change', () => plot.redraw());
  return {
    push(time, values) {
      [time, ...values].forEach((value, i) => data[i].push(value));
      while (data[0][0] < time - seconds) data.forEach((column) => column.shift());
      plot.setData(data);
    },
  };
}

// The colour that a property of the page stands for now: a canvas knows no light-dark().
function resolve(element, name) {
  const probe = element.appendChild(document.createElement('i'));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
