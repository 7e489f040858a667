// Graphs of the newest figures, drawn by uPlot.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

/** graph draws the series of the last seconds into element. push adds a value for each, at a time in seconds since 1970. */
export function graph(element, { series, seconds }) {
  const data = [[], ...series.map(() => [])];
  const height = () => element.clientHeight || 120;
  const plot = new uPlot({
    width: element.clientWidth,
    height: height(),
    series: [{}, ...series.map(({ label, unit }) => ({ label: unit ? `${label}, ${unit}` : label }))],
  }, data, element);
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: height() })).observe(element);
  return {
    push(time, values) {
      [time, ...values].forEach((value, i) => data[i].push(value));
      while (data[0][0] < time - seconds) data.forEach((column) => column.shift());
      plot.setData(data);
    },
  };
}
