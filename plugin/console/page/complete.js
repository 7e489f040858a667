// What may stand at the caret in a file of rules: keys and values by the schema, names and functions in expressions.

/** entries returns the markers of list elements and the key with which a line begins, each with its column. */
function entries(line) {
  const found = [];
  let column = line.length - line.trimStart().length;
  while (line[column] === '-' && /^-(\s|$)/.test(line.slice(column))) {
    found.push({ column, item: true });
    column += 1 + line.slice(column + 1).match(/^\s*/)[0].length;
  }
  const key = /^("[^"]*"|'[^']*'|[^\s:#{}[\],"'][^:]*?)\s*:(\s|$)/.exec(line.slice(column));
  if (key) found.push({ column, key: bare(key[1]), value: line.slice(column + key[0].length) });
  return found;
}

const bare = (text) => text.replace(/^(["'])(.*)\1$/, '$2');

const comment = (line) => /^\s*(#|$)/.test(line);

/** pathAbove returns the keys, and [] for list elements, that what begins at the column of the row belongs to. */
function pathAbove(lines, row, column, item = false) {
  const path = [];
  for (let r = row; r >= 0 && (column > 0 || item); r--) {
    if (r < row && comment(lines[r])) continue;
    for (const e of entries(lines[r]).reverse()) {
      if (r === row && e.column >= column) continue;
      if (e.column < column || item && !e.item && e.column <= column) {
        path.unshift(e.item ? '[]' : e.key);
        ({ column, item = false } = e);
      }
    }
  }
  return path;
}

/** within follows a value that begins with { or [ up to the caret: the keys that it adds to the path, and what is open. */
function within(value) {
  const open = [];
  let text = '';
  let quote = '';
  for (let i = 0; i < value.length; i++) {
    const c = value[i];
    if (quote) {
      if (c === quote) quote = '';
      text += c;
      continue;
    }
    const begins = text.trim() === '';
    const top = open.at(-1);
    if (begins && (c === '"' || c === "'")) {
      quote = c;
      text += c;
    } else if (begins && (c === '{' || c === '[')) {
      open.push({ list: c === '[' });
      text = '';
    } else if (top && !top.list && top.key === undefined && c === ':' && /[\s]|^$/.test(value[i + 1] ?? '')) {
      top.key = bare(text.trim());
      text = '';
    } else if (top && c === ',') {
      delete top.key;
      text = '';
    } else if (top && (c === '}' || c === ']')) {
      open.pop();
      text = ' '; // behind a value
    } else text += c;
  }
  return { open, text: text.trimStart() };
}

/** spot tells what stands at the caret: the path to it, whether a key is being written, and the text of it so far. */
export function spot(lines, row, before) {
  const indent = before.length - before.trimStart().length;
  const own = entries(before);
  const last = own.at(-1);
  if (last && !last.item) {
    const path = [...pathAbove(lines, row, last.column), last.key];
    const value = before.slice(last.column).replace(/^.*?:\s*/, '');
    if (!/^[{[]/.test(value)) return { path, key: false, text: value };
    const { open, text } = within(value);
    for (const level of open.slice(0, -1)) path.push(level.list ? '[]' : level.key);
    const top = open.at(-1);
    if (!top) return null;
    if (top.list) return { path: [...path, '[]'], key: false, text };
    return top.key === undefined ? { path, key: true, text } : { path: [...path, top.key], key: false, text };
  }
  const column = last ? last.column + before.slice(last.column).match(/^-\s*/)[0].length : indent;
  const text = before.slice(column);
  if (/^\s*#/.test(text)) return null;
  const path = last ? [...pathAbove(lines, row, last.column, true), '[]'] : pathAbove(lines, row, column);
  if (/^["']?=/.test(text)) return { path, key: false, text };
  return { path, key: true, text, mayBeValue: Boolean(last) };
}

/** schemasAt returns the parts of the schema that the path leads to. */
function schemasAt(schema, path) {
  let found = alternatives(schema);
  for (const step of path) {
    found = found.flatMap((s) => {
      if (step === '[]') return s.items ? alternatives(s.items) : [];
      const inner = s.properties?.[step] ?? (typeof s.additionalProperties === 'object' ? s.additionalProperties : undefined);
      return inner ? alternatives(inner, inner.description ?? s.description) : [];
    });
  }
  return found;
}

function alternatives(schema, description = schema.description) {
  const own = { ...schema, description: schema.description ?? description };
  const others = [...schema.anyOf ?? [], ...schema.allOf ?? []];
  return [own, ...others.flatMap((s) => alternatives(s, own.description))];
}

/** ruleAround returns the lines of the rule that the row belongs to. */
function ruleAround(lines, row) {
  const begins = (r) => {
    const [first] = entries(lines[r]);
    return first?.item && pathAbove(lines, r, first.column, true).join() === 'rules' ? first.column : undefined;
  };
  let start = row;
  while (start >= 0 && begins(start) === undefined) start--;
  if (start < 0) return [];
  const column = begins(start);
  let end = start + 1;
  while (end < lines.length && (comment(lines[end]) || lines[end].search(/\S/) > column)) end++;
  return lines.slice(start, end).map((line, i) => i === 0 ? line.replace('-', ' ') : line);
}

/** members returns what stands below a key of a rule, each with its text, or the text beside the key. */
function members(rule, key) {
  const found = [];
  rule.forEach((line, r) => {
    const e = entries(line).at(-1);
    if (!e || e.item) return;
    const path = pathAbove(rule, r, e.column);
    if (path.length === 0 && e.key === key) {
      const flow = /^\{(.*)\}\s*$/.exec(e.value.trim());
      if (!flow) return e.value.trim() && found.push({ text: bare(e.value.trim()) });
      for (const part of flow[1].split(/,\s+(?=[A-Za-z_]\w*:\s)/)) {
        const m = /^\s*([A-Za-z_]\w*):\s+(.*)$/.exec(part);
        if (m) found.push({ name: m[1], text: bare(m[2].trim()) });
      }
    }
    if (path.length === 1 && path[0] === key) found.push({ name: e.key, text: bare(e.value.trim()) });
  });
  return found;
}

/** namesBelow returns the keys below a key of the top level, in all texts. */
function namesBelow(texts, key) {
  const names = new Set();
  for (const text of texts) {
    const lines = text.split('\n');
    const at = lines.findIndex((line) => line.startsWith(`${key}:`));
    if (at < 0) continue;
    for (let r = at + 1; r < lines.length && (comment(lines[r]) || /^\s/.test(lines[r])); r++) {
      const [e] = entries(lines[r]);
      if (e?.key && pathAbove(lines, r, e.column).length === 1) names.add(e.key);
    }
    for (const m of lines[at].matchAll(/[{,]\s*([A-Za-z_]\w*):/g)) names.add(m[1]);
  }
  return [...names];
}

// An expression stands below these keys without an = in front.
const conditions = (path) => {
  const [section, , key, inner, more] = path;
  if (section === 'access') return path.at(-1) === 'allow';
  if (section !== 'rules') return false;
  return key === 'when' || key === 'each' || key === 'let' && inner !== undefined || key === 'queue' && inner !== undefined ||
    key === 'dedupe' && inner === 'key' && more === undefined;
};

const rootNames = [
  ['payload', 'the value of the payload'], ['topic', 'the names of the rule’s topic'], ['mqtt', 'the event: its topic, qos, retained, content type, user properties'],
  ['table', 'look-up tables'], ['memory', 'what is remembered of earlier events'], ['received', 'when the event was received'],
];
const operators = ['and', 'or', 'not', 'in', 'contains', 'matches', 'startsWith', 'endsWith', 'true', 'false', 'nil'];

/** follow returns the value at a path of names and numbers in a value; undefined where there is none. */
function follow(value, steps) {
  for (const step of steps) value = value?.[step];
  return value;
}

/** steps takes a simple path apart, payload.items[0].id; null where the text is something else. */
function steps(text) {
  if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[(\d+|"[^"]*")\])*$/.test(text)) return null;
  return [...text.matchAll(/[A-Za-z_]\w*|\[(\d+)\]|\["([^"]*)"\]/g)].map((m) => m[2] ?? m[1] ?? m[0]);
}

/** sample returns an example of what the name stands for: the payload at hand, an element of each, a let. */
function sample(path, rule, payload, depth = 0) {
  const [root, ...rest] = path;
  if (depth > 8) return undefined;
  if (root === 'payload') return follow(payload, rest);
  const each = members(rule, 'each');
  const level = each.find((l) => (l.name ?? 'item') === root);
  const source = level ?? members(rule, 'let').find((l) => l.name === root);
  const from = source && steps(source.text);
  if (!from) return undefined;
  const value = sample(from, rule, payload, depth + 1);
  return follow(level ? value?.[0] : value, rest);
}

const kindOf = (value) => value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;

function inExpression(text, { lines, row, words, payload, texts }) {
  const rule = ruleAround(lines, row);
  const m = /((?:[A-Za-z_]\w*(?:\[[^\]\s]*\])?\.)*)([A-Za-z_]\w*)?$/.exec(text);
  const typed = m[2] ?? '';
  const option = (label, detail, more = {}) => ({ label, detail, ...more });
  if (m[1]) {
    const path = steps(m[1].slice(0, -1));
    if (!path) return null;
    return { typed, options: below(path, { rule, payload, texts }).map(([label, detail]) => option(label, detail)) };
  }
  if (/[.\]"')\d]$/.test(text)) return null;
  const forgotten = members(rule, 'forgotten').length > 0;
  const roots = forgotten ? [['key', 'the key whose time is up'], ['value', 'what was remembered under it'], ...rootNames.slice(3)] : rootNames;
  const each = members(rule, 'each');
  const own = [
    ...each.map((l) => [l.name ?? 'item', 'an element of each']), ...each.length ? [['index', 'the number of the element, from 0']] : [],
    ...members(rule, 'let').filter((l) => l.name).map((l) => [l.name, 'let']),
  ];
  return {
    typed,
    options: [
      ...own.map(([label, detail]) => option(label, detail, { boost: 2 })),
      ...roots.map(([label, detail]) => option(label, detail, { boost: 1 })),
      ...words.functions.map((f) => option(f.name, f.usage.slice(f.name.length), {
        info: `${f.about}\n\n${f.example}\n→ ${f.result}`, apply: `${f.name}(`,
      })),
      ...operators.map((label) => option(label, undefined, { boost: -1 })),
    ],
  };
}

/** below returns the names below a path of names, each with what is known of it. */
function below(path, { rule, payload, texts }) {
  const [root] = path;
  if (path.length === 1) {
    switch (root) {
      case 'topic': {
        const topics = members(rule, 'topic').map((t) => t.text).concat(rule.filter((l) => /^\s*-\s/.test(l)));
        return [...new Set(topics.join('\n').match(/\{[A-Za-z_]\w*(?=(\.\.\.)?\})/g) ?? [])].map((name) => [name.slice(1), 'of the topic']);
      }
      case 'mqtt': return [['topic', 'text'], ['qos', 'number'], ['retained', 'boolean'], ['content_type', 'text'], ['user', 'object']];
      case 'table': return namesBelow(texts, 'tables').map((name) => [name, 'table']);
      case 'memory': return namesBelow(texts, 'memory').map((name) => [name, 'memory']);
    }
  }
  const value = sample(path, rule, payload);
  if (kindOf(value) !== 'object') return [];
  return Object.entries(value).filter(([name]) => /^[A-Za-z_]\w*$/.test(name)).map(([name, v]) => [name, kindOf(v)]);
}

function keyOptions(at, context) {
  const { words, lines, row, texts } = context;
  const options = new Map();
  const add = (label, schema) => {
    if (options.has(label)) return;
    const info = [schema.description, schema.default !== undefined && `Default: ${schema.default}`].filter(Boolean).join('\n');
    const nests = [schema.type].flat().every((t) => t === 'object' || t === 'array' || t === 'null') && schema.type !== undefined;
    options.set(label, { label, info: info || undefined, apply: nests ? `${label}:` : `${label}: ` });
  };
  const field = at.path.slice(0, 4).join('.').startsWith('rules.[].fields') ? at.path.slice(3).join('.') : undefined;
  if (field !== undefined) {
    const queues = ruleAround(lines, row).join('\n').match(/\/queue\/[a-z/-]+/g);
    for (const f of words.fields) {
      if (queues && !f.queues.some((q) => queues.includes(q))) continue;
      const name = field === '' ? f.name : f.name.startsWith(`${field}.`) ? f.name.slice(field.length + 1) : '';
      const [first] = name.split('.');
      if (first) add(first, { description: name === first ? `${f.wants}${f.optional ? ', optional' : ''}` : undefined, type: name === first ? 'string' : 'object' });
    }
    return [...options.values()];
  }
  for (const schema of schemasAt(words.schema, at.path)) {
    for (const [label, s] of Object.entries(schema.properties ?? {})) add(label, s);
    if (['remember', 'forget'].includes(at.path.at(-1)) && at.path.length === 3) for (const name of namesBelow(texts, 'memory')) add(name, { type: 'object' });
  }
  return [...options.values()];
}

function valueOptions(at, { words, texts }) {
  const options = new Map();
  const add = (label, info) => options.has(label) || options.set(label, { label, info });
  const field = at.path.slice(0, 3).join('.') === 'rules.[].fields' ? words.fields.find((f) => f.name === at.path.slice(3).join('.')) : undefined;
  for (const text of field?.wants.startsWith('one of ') ? field.wants.slice(7).split(', ') : []) add(text);
  if (at.path.join('.') === 'rules.[].forgotten') for (const name of namesBelow(texts, 'memory')) add(name);
  for (const schema of schemasAt(words.schema, at.path)) {
    for (const value of schema.enum ?? []) add(String(value), schema.description);
    if (schema.default !== undefined && !schema.enum) add(String(schema.default), `The default. ${schema.description ?? ''}`);
    if (schema.type === 'boolean') ['true', 'false'].forEach((v) => add(v, schema.description));
  }
  return [...options.values()];
}

/**
 * complete returns what may stand at the position of the text: {from, options}, or null. words are those of the server,
 * payload is the value of the event at hand, texts are those of all files. Unless it is asked for explicitly, an empty
 * word has no options where that would be in the way.
 */
export function complete(text, position, explicit, { words, payload, texts }) {
  const start = text.lastIndexOf('\n', position - 1) + 1;
  const lines = text.split('\n');
  const row = text.slice(0, start).split('\n').length - 1;
  const before = text.slice(start, position);
  const at = spot(lines, row, before);
  if (!at) return null;
  const context = { lines, row, words, payload, texts };
  const found = (typed, options) => options.length > 0 && (explicit || typed !== '' || !at.key) ? { from: position - typed.length, options } : null;
  if (!at.key) {
    const expression = /^["']?=/.test(at.text) || conditions(at.path);
    if (expression) {
      const inside = inExpression(at.text.replace(/^["']?=?/, ''), context);
      return inside && (explicit || inside.typed !== '' || at.text.endsWith('.')) ? found(inside.typed, inside.options) : null;
    }
    return found(at.text, valueOptions(at, context));
  }
  const keys = keyOptions(at, context);
  return found(at.text, at.mayBeValue ? [...keys, ...valueOptions(at, context)] : keys);
}
