// Opens a page in Chromium, waits until each text stands on it, and saves a screenshot.
// Arguments: URL SCREENSHOT TEXT...   Exit code 1 with the page's text and console when one does not come in time.
import { chromium } from 'playwright-core';

const [url, screenshot, ...texts] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
let code = 0;
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const lines = [];
  page.on('console', (m) => lines.push(`${m.type()}: ${m.text()}`));
  page.on('pageerror', (e) => lines.push(`page error: ${e}`));
  await page.goto(url);
  for (const text of texts) {
    try {
      await page.getByText(text).first().waitFor({ timeout: 20_000 });
    } catch {
      console.log(`no ${JSON.stringify(text)} on the page:\n${await page.innerText('body')}\n${lines.join('\n')}`);
      code = 1;
    }
  }
  await page.screenshot({ path: screenshot });
  const errors = lines.filter((l) => l.startsWith('error') || l.startsWith('page error'));
  if (errors.length > 0) {
    console.log(errors.join('\n'));
    code = 1;
  }
} finally {
  await browser.close();
}
process.exit(code);
