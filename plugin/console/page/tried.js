// What the edited rules make of an event, drawn.

/** make returns an element with attributes and children; everything that is a text stays one. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((c) => c !== undefined && c !== null));
  return element;
}

const text = (value) => value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/** table returns a table with headings; each row is a list of cells, of which the first names the row. */
function table(label, headings, rows) {
  const cell = (c, i) => make(i === 0 ? 'th' : 'td', i === 0 ? { scope: 'row' } : { 'data-label': headings[i] }, c instanceof Node ? c : text(c));
  return make('div', { class: 'wide-table', tabindex: '0', role: 'region', 'aria-label': label },
    make('table', { class: 'trace' },
      make('thead', {}, make('tr', {}, ...headings.map((h) => make('th', { scope: 'col' }, h)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map(cell))))));
}

function part(title, ...children) {
  return make('section', { class: 'part' }, make('h3', {}, title), ...children);
}

/** ruleItem is one step of a rule: its yes with the fields, or the reason for its no. */
function ruleItem(step) {
  const failed = (step.fields ?? []).some((f) => f.error);
  const verdict = !step.queue ? step.note?.startsWith('hint: ') ? 'hint' : 'no' : failed ? 'rejected' : 'yes';
  const where = step.element ?? (step.item !== undefined ? `element ${step.item}` : undefined);
  const reason = step.queue ?? [step.note?.replace(/^(no|hint): /, ''), step.missing].filter(Boolean).join(': ');
  const line = [
    make('span', { class: 'verdict', 'data-verdict': verdict }, verdict), ' ', make('strong', {}, step.rule), where && ` ${where}`,
    make('span', { class: 'reason' }, ` ${step.queue ? `→ ${reason}` : reason}`),
  ];
  if (!step.fields) return make('li', {}, ...line);
  const rows = step.fields.map((f) => [f.name, make('code', {}, f.source), f.error ? make('span', { class: 'wrong' }, f.error) : make('code', {}, f.value === undefined ? '(absent)' : text(f.value))]);
  return make('li', {}, make('details', { open: '' }, make('summary', {}, ...line), table(`Fields of ${step.rule}`, ['Field', 'From', 'Value'], rows)));
}

const signs = { same: ['\u00a0', 'as in force'], added: ['+', 'added'], removed: ['−', 'removed'] };

/** lines draws the fields of an output as a difference: a line for what is gone, one for what comes. */
function lines({ fields }, compares) {
  const line = (kind, name, value) => make('tr', { 'data-change': compares ? kind : 'same' },
    make('td', { class: 'sign' }, make('span', { 'aria-hidden': 'true' }, compares ? signs[kind][0] : '\u00a0'), make('span', { class: 'unseen' }, compares ? signs[kind][1] : '')),
    make('th', { scope: 'row' }, name), make('td', {}, make('code', {}, text(value))));
  return fields.flatMap((f) => f.change === 'changed' ? [line('removed', f.name, f.before), line('added', f.name, f.after)] : [line(f.change, f.name, f.after ?? f.before)]);
}

const changes = { same: 'as in force', changed: 'differs from what is in force', added: 'new', removed: 'no longer made' };

function output(compared, dedupe, compares) {
  return make('li', { class: 'output', 'data-change': compares ? compared.change : 'same' },
    make('p', {}, make('code', {}, compared.queue), ` by ${compared.rule}`, compares && make('span', { class: 'change' }, changes[compared.change])),
    dedupe && make('p', { class: 'quiet' }, dedupe),
    make('div', { class: 'wide-table', tabindex: '0', role: 'region', 'aria-label': `Body for ${compared.queue}` },
      make('table', { class: 'diff' }, make('thead', { class: 'unseen' }, make('tr', {}, ...['Change', 'Field', 'Value'].map((h) => make('th', { scope: 'col' }, h)))),
        make('tbody', {}, ...lines(compared, compares)))));
}

/** plainly has the outputs in the form of those that are compared. */
function plainly(outputs) {
  return outputs.map((o) => ({
    rule: o.rule, queue: o.queue, change: 'same',
    fields: [...o.audience ? [{ name: 'audience', change: 'same', after: o.audience }] : [], ...Object.entries(o.body).map(([name, after]) => ({ name, change: 'same', after }))],
  }));
}

const rejection = (r) => make('li', {}, r.reason);

/** showTried draws it in result, and sums it up in outcome. */
export function showTried(result, outcome, { trace, in_force: inForce, compared, recalled, problems }) {
  if (!trace) {
    outcome.textContent = '';
    const mistakes = problems.some((p) => !p.warning) ? 'when the mistakes in them are mended' : 'when what is not shown here is mended';
    const earlier = result.querySelector('.part') !== null;
    result.querySelector('.empty')?.remove();
    result.prepend(make('p', { class: 'empty' }, `The rules can be tried ${mistakes}.${earlier ? ' Below stands what they made before.' : ''}`));
    return;
  }
  outcome.textContent = inForce && inForce.outcome !== trace.outcome ? `${trace.outcome}; by the rules in force ${inForce.outcome}` : trace.outcome;
  outcome.dataset.outcome = trace.outcome;
  const parts = [];
  const outputs = compared ?? plainly(trace.outputs);
  const dedupe = (c) => trace.outputs.filter((o) => o.rule === c.rule && o.queue === c.queue && o.dedupe_key).map((o) => `once in ${o.dedupe_window} for the key ${o.dedupe_key}; here no event counts as a repeat`)[0];
  if (outputs.length > 0) {
    parts.push(part(inForce ? 'Bodies, beside those of the rules in force' : 'Bodies', make('ul', { class: 'outputs' }, ...outputs.map((c) => output(c, dedupe(c), Boolean(inForce))))));
  }
  if (trace.rejections.length > 0) parts.push(part('Dead letters', make('ul', { class: 'letters' }, ...trace.rejections.map(rejection))));
  const kept = (trace.changes ?? []).map((c) => [`${c.memory}[${JSON.stringify(c.key)}]`, c.before === undefined ? '(nothing)' : JSON.stringify(c.before), c.after === undefined ? '(forgotten)' : JSON.stringify(c.after), c.rule]);
  if (kept.length > 0) parts.push(part('What would be remembered', table('What would be remembered', ['Key', 'Before', 'After', 'Rule'], kept)));
  const seen = (recalled ?? []).map((k) => [`${k.memory}[${JSON.stringify(k.key)}]`, k.value === undefined ? '(nothing)' : JSON.stringify(k.value)]);
  if (seen.length > 0 && kept.length === 0) parts.push(part('What was looked up', table('What was looked up', ['Key', 'Value'], seen)));
  const none = 'No rule sees the event: there are none, or its topic is one of the bridge’s own (broker.base_topic).';
  parts.push(part('Rules', trace.rules.length > 0 ? make('ol', { class: 'rule-steps' }, ...trace.rules.map(ruleItem)) : make('p', { class: 'quiet' }, none)));
  result.replaceChildren(...parts);
}
