// The server makes the pages; what changes in them is taken from the page as it is now.

// Whether somebody is in the element: with the keyboard, or with what they have marked.
function used(element) {
  const { isCollapsed, anchorNode } = getSelection();
  return element.contains(document.activeElement) || (!isCollapsed && element.contains(anchorNode));
}

/**
 * swap asks for the page at the address and puts its elements in place of those with the same ids, which
 * match the selector, except where somebody is in one. What is open stays open.
 */
export async function swap(address, selector) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const old of document.querySelectorAll(selector)) {
    const next = page.getElementById(old.id);
    if (!next || next.outerHTML === old.outerHTML || used(old)) continue;
    for (const details of old.querySelectorAll('details[id][open]')) next.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute('open', '');
    old.replaceWith(next);
  }
}
