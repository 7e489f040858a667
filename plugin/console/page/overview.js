import { duration, rate } from './figures.js';
import { live } from './live.js';
import { swap } from './swap.js';

const seconds = 300;
const { graph } = await import('./bundle/graph.js').catch(() => import('./line.js'));
const graphs = {
  events: [[{ label: 'events', unit: '/s' }], (r) => [r.events]],
  deliveries: [[{ label: 'deliveries', unit: '/s' }], (r) => [r.deliveries]],
  latency: [[{ label: '99 of 100', unit: 'ms' }, { label: 'half', unit: 'ms' }], (r) => [r.p99 * 1000 || null, r.p50 * 1000 || null]],
};
const drawn = [...document.querySelectorAll('[data-graph]')].map((element) => {
  const [series, values] = graphs[element.dataset.graph];
  const { push } = graph(element, { series, seconds });
  return (r) => push(Date.parse(r.time) / 1000, values(r));
});

let last = 0; // the time of the newest rates drawn
function draw(r) {
  if (!r || Date.parse(r.time) <= last) return;
  last = Date.parse(r.time);
  for (const d of drawn) d(r);
}

// What is no figure is asked for anew when it has changed, and every now and then.
const rarely = 10_000;
let known;
let asked = 0;
async function renew(state) {
  const { ready, reasons, troubles, warnings, config, rules, dead_letters: letters, replica } = state;
  const now = JSON.stringify([ready, reasons, troubles, warnings, config, rules, letters.published, replica?.leader, replica?.replicas?.length]);
  known ??= now; // as on the page, or nearly so
  const changed = now !== known;
  if (!changed && Date.now() < asked + rarely) return;
  if (Date.now() < asked + 1000) return;
  [known, asked] = [now, Date.now()];
  const way = document.getElementById('way');
  await swap(location.href, way.dataset.rules === rules ? '[data-swap]' : '[data-swap], #way').catch(() => {});
  unfold();
}

live(() => '', ({ state, history }) => {
  history?.forEach(draw);
  draw(state.rates);
  const now = { events: rate, deliveries: rate, p50: duration, p99: duration };
  for (const e of document.querySelectorAll('[data-now]')) if (state.rates) e.textContent = now[e.dataset.now](state.rates[e.dataset.now]);
  renew(state);
});

// Where there is no room for the drawing, its tables stand open.
const narrow = matchMedia('(max-width: 700px)');
function unfold() {
  const tables = document.querySelector('.tables');
  if (tables && narrow.matches) tables.open = true;
}
narrow.addEventListener('change', unfold);
asked = Date.now();
unfold();
