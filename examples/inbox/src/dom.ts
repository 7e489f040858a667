// What the page needs of the DOM.

export function byID<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** element makes an element with a class and children, which are elements or texts. */
export function element(name: string, className: string, ...children: (Node | string)[]): HTMLElement {
  const e = document.createElement(name);
  e.className = className;
  e.append(...children);
  return e;
}

/** An Item is one <li> of a list. It is made only when it is new or its look has changed. */
export interface Item { key: string; look: unknown; make(): HTMLElement }

const looks = new WeakMap<HTMLElement, string>();

/** sync makes a list show the items. What has not changed stays, with its focus, and screen readers say nothing again. */
export function sync(list: HTMLElement, items: Item[], empty: string): void {
  if (items.length === 0) items = [{ key: '', look: empty, make: () => element('li', 'hint', empty) }];
  const focused = (document.activeElement as HTMLElement | null)?.closest('li')?.dataset['key'];
  const before = new Map([...list.children].map((e) => [(e as HTMLElement).dataset['key'], e as HTMLElement]));
  items.forEach(({ key, look, make }, n) => {
    const text = JSON.stringify(look);
    let e = before.get(key);
    before.delete(key);
    if (!e || looks.get(e) !== text) {
      const made = make();
      made.dataset['key'] = key;
      looks.set(made, text);
      e?.replaceWith(made);
      e = made;
    }
    if (list.children[n] !== e) list.insertBefore(e, list.children[n] ?? null);
  });
  for (const gone of before.values()) gone.remove();
  if (focused && !list.contains(document.activeElement)) {
    const item = [...list.children].find((e) => (e as HTMLElement).dataset['key'] === focused);
    item?.querySelector<HTMLElement>('button')?.focus();
  }
}

/** stickToEnd keeps a list that is scrolled to its end there, whatever change does to it. */
export function stickToEnd(list: HTMLElement, change: () => void): void {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  change();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
