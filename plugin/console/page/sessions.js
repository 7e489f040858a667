import { live } from './live.js';
import { swap } from './swap.js';

const often = 3000; // milliseconds
let asked = Date.now();

live(() => '', () => {
  if (Date.now() < asked + often) return;
  asked = Date.now();
  swap(location.href, '[data-swap]').catch(() => {});
});
document.getElementById('end')?.querySelector('button').focus();
