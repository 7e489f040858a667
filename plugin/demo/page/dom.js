/** element makes an element with a class and children, which are elements or texts. */
export function element(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

export function byID(id) {
  return document.getElementById(id);
}
