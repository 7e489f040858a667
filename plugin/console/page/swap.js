// The server makes the pages; what changes in them is taken from the page as it is now.

/**
 * swap asks for the page at the address and puts its elements in place of those with the same ids, which
 * match the selector. What has the focus keeps it; what is open stays open.
 */
export async function swap(address, selector) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const old of document.querySelectorAll(selector)) {
    const next = page.getElementById(old.id);
    if (!next || next.outerHTML === old.outerHTML) continue;
    const focus = old.contains(document.activeElement) ? document.activeElement.id : '';
    for (const details of old.querySelectorAll('details[id][open]')) next.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute('open', '');
    old.replaceWith(next);
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  }
}
