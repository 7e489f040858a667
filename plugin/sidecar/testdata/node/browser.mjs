// A tab of Chromium that does what its standard input says: a JSON object a line, one answer a line.
//   {"width": 1280}                  sets the window's size; beside any other order too
//   {"open": URL}                    opens a page
//   {"back": true}                   goes back
//   {"fill": [LABEL, TEXT]}          fills a field
//   {"press": NAME}                  presses a button
//   {"click": SELECTOR}              clicks the first element that matches
//   {"choose": [SELECTOR, VALUE]}    chooses from a list, where the choice may still be to come
//   {"keys": [KEY, ...]}             presses keys, such as End and Control+Space
//   {"type": TEXT}                   types where the caret is, after keys
//   {"withhold": PATTERN}            answers requests for such files by 404 from then on
//   {"await": [SELECTOR, TEXT]}      waits until an element that matches holds the text
//   {"texts": SELECTOR}              answers with the texts of all elements that match
//   {"frame": NAME}                  beside another order: in the frame of that name
//   {"look": PATH, "dark": false}    saves a screenshot
//   {"axe": true}                    answers with what axe-core finds serious or critical
// An answer is {"value": ...} or {"error": ...}. At the end of the input it prints what the page's scripts have thrown and
// what its policy has kept out, as {"value": [...]}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage();
const faults = [];
page.on('pageerror', (e) => faults.push(`${e}`));
page.on('console', (m) => m.text().includes('Content Security Policy') && faults.push(m.text()));
page.on('dialog', (d) => { faults.push(`dialog: ${d.message()}`); d.dismiss(); });

// A policy lets no test put a script into the page, so that axe-core is evaluated as the debugger does it.
async function axe() {
  const { default: { source } } = await import(createRequire(import.meta.url).resolve('axe-core'));
  await page.evaluate(`${source}; 0`);
  const { violations } = await page.evaluate('axe.run()');
  return violations.filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`);
}

async function obey(c) {
  const where = c.frame ? page.frameLocator(`iframe[name=${c.frame}]`) : page;
  if (c.width) await page.setViewportSize({ width: c.width, height: 800 });
  if (c.withhold) await page.route(c.withhold, (r) => r.fulfill({ status: 404 }));
  if (c.open) await page.goto(c.open);
  if (c.back) await page.goBack();
  if (c.fill) await where.getByLabel(c.fill[0], { exact: true }).fill(c.fill[1]);
  if (c.press) await where.getByRole('button', { name: c.press }).first().click();
  if (c.click) await where.locator(c.click).first().click();
  if (c.choose) await where.locator(c.choose[0]).selectOption(c.choose[1]);
  for (const key of c.keys ?? []) await page.keyboard.press(key);
  if (c.type) await page.keyboard.type(c.type);
  if (c.await) await where.locator(c.await[0]).filter({ hasText: c.await[1] }).first().waitFor({ timeout: 30_000 });
  if (c.texts) return where.locator(c.texts).allInnerTexts();
  if (c.axe) return axe();
  if (c.look) {
    await page.emulateMedia({ colorScheme: c.dark ? 'dark' : 'light' });
    await page.screenshot({ path: c.look });
    return page.evaluate('document.documentElement.scrollWidth - innerWidth'); // what is cut off at the right
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ value: await obey(JSON.parse(line)) ?? null }));
  } catch (e) {
    console.log(JSON.stringify({ error: `${e}\n${await page.innerText('body').catch(() => '')}` }));
  }
}
console.log(JSON.stringify({ value: faults }));
await browser.close();
