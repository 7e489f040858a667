// What comes from the bridge while the page is looked at.
import { show } from './figures.js';

const badge = document.getElementById('state');
let { run } = badge.dataset; // of the process that has made the page

function tell(state, text) {
  if (badge.dataset.state !== state) [badge.dataset.state, badge.textContent] = [state, text];
}

// loggedOut asks whether the bridge demands a login that is over.
async function loggedOut() {
  try {
    return (await fetch('page/icon.svg', { cache: 'no-store' })).status === 401;
  } catch {
    return false;
  }
}

function offerLogin() {
  const link = document.createElement('a');
  link.href = `login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = 'Log in again';
  badge.dataset.state = 'away';
  badge.replaceChildren(link);
}

/**
 * live calls take with each message of the stream that query() asks for, as long as the page is
 * looked at, and restarted before the first one of another process, which numbers its events anew. It
 * returns a function that begins anew.
 */
export function live(query, take, restarted = () => {}) {
  let source;
  const open = () => {
    source?.close();
    source = undefined;
    if (document.hidden) return;
    source = new EventSource(`api/live?${query()}&run=${run}`);
    source.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      const another = message.run !== run;
      if (another) {
        run = message.run;
        restarted();
      }
      tell(message.state.ready ? 'ready' : 'not-ready', message.state.ready ? 'Ready' : 'Not ready');
      show(message.state);
      take(message);
      if (another) open(); // or the browser would go on asking for what comes after an event of the other run
    };
    source.onerror = () => {
      tell('away', 'No connection');
      if (source?.readyState === EventSource.CLOSED) setTimeout(again, 5000); // refused, which a browser takes for good
    };
  };
  const again = async () => {
    if (await loggedOut()) offerLogin();
    else open();
  };
  document.addEventListener('visibilitychange', open);
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (e) => e.persisted && open());
  open();
  return open;
}
