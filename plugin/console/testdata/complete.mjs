// Reads {words, payload, cases: [text with | at the caret]} from standard input, and prints for each case what
// page/complete.js offers: {typed, labels, applied} or null.
import { readFileSync } from 'node:fs';

// For Node a file that ends in .js is no module unless something says so.
const script = readFileSync(new URL('../page/complete.js', import.meta.url));
const { complete } = await import(`data:text/javascript;base64,${script.toString('base64')}`);

const { words, payload, cases } = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(cases.map((marked) => {
  const at = marked.indexOf('|');
  const whole = marked.replace('|', '');
  const found = complete(whole, at, false, { words, payload, texts: [whole] });
  return found && { typed: whole.slice(found.from, at), labels: found.options.map((o) => o.label), applied: found.options.map((o) => o.apply ?? o.label) };
})));
