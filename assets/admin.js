/**
 * What the pages can do beyond forms and links: renew themselves, copy, ask before an act, select all, and
 * the live tail. Texts are only ever set as text.
 */

const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Pages marked live are fetched again; nothing is replaced while somebody is using what would go. */
function renewLivePage() {
  const main = document.querySelector('main[data-live]');
  if (main === null) return;
  const renew = async () => {
    const isBusy =
      document.hidden ||
      main.contains(document.activeElement) ||
      main.querySelector('input:checked') !== null ||
      !getSelection().isCollapsed;
    if (isBusy) return;
    try {
      const response = await fetch(location.href, { headers: { accept: 'text/html' } });
      if (!response.ok) return;
      const next = new DOMParser().parseFromString(await response.text(), 'text/html').querySelector('main');
      if (next !== null) main.replaceChildren(...next.childNodes);
    } catch {
      // The daemon is away for a moment; the page stays as it was.
    }
  };
  setInterval(renew, Number(main.dataset.live) * 1000);
}

/** One listener for all buttons, those of renewed pages too. */
function listenToButtons() {
  document.addEventListener('click', async (event) => {
    const button = event.target.closest?.('[data-copy]');
    if (button === null || button === undefined) return;
    const text = button.parentElement.querySelector('pre').textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector('pre'));
      button.textContent = 'Selected';
    }
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1500);
  });
  document.addEventListener('submit', (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question !== undefined && !confirm(question)) event.preventDefault();
  });
  document.addEventListener('change', (event) => {
    const name = event.target.dataset?.selectAll;
    if (name === undefined) return;
    for (const box of $$(`input[name="${name}"]`)) box.checked = event.target.checked;
  });
}

const MAX_ROWS = 200;

function cell(label, text, className) {
  const td = document.createElement('td');
  td.dataset.label = label;
  if (className) td.className = className;
  const value = document.createElement('div');
  value.textContent = text;
  td.append(value);
  return td;
}

const TONES = { delivered: 'good', failed: 'bad', delayed: 'warn', parked: 'warn', cancelled: 'dim' };

function tailRow(one) {
  const row = document.createElement('tr');
  row.className = 'fresh';
  const at = one.ended_at ?? one.last_attempt_at ?? one.committed_at;
  const state = cell('State', '');
  const link = document.createElement('a');
  link.href = `/deliveries/${encodeURIComponent(one.id)}`;
  link.className = 'row-link';
  const chip = document.createElement('span');
  chip.className = `chip ${TONES[one.state] ?? 'calm'}`;
  chip.textContent = one.state;
  link.append(chip);
  state.firstChild.append(link);
  const result = one.status === null ? (one.error ?? '–') : `HTTP ${one.status}`;
  const took = one.duration_ms === null ? '' : `  ${Math.round(one.duration_ms * 10) / 10} ms`;
  row.append(
    cell('At', (at ?? '').slice(11, 23)),
    state,
    cell('Webhook', one.webhook_name),
    cell('Model and key', `${one.model} ${one.key}`),
    cell('Result', result + took),
    cell('Attempts', String(one.attempts), 'number'),
  );
  return row;
}

function followTail() {
  const form = document.querySelector('form[data-tail]');
  if (form === null) return;
  const rows = document.querySelector('[data-tail-rows]');
  const state = document.querySelector('[data-tail-state]');
  const hint = document.querySelector('[data-tail-empty]');
  const pause = document.querySelector('[data-tail-pause]');
  let source = null;
  let isPaused = false;
  const connect = () => {
    source?.close();
    const filter = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''));
    source = new EventSource(`${form.dataset.tail}?${filter}`);
    source.onopen = () => {
      state.textContent = 'watching';
    };
    source.onerror = () => {
      state.textContent = 'connecting…';
    };
    source.addEventListener('skipped', (event) => {
      if (isPaused) return;
      const row = document.createElement('tr');
      const text = cell(
        '',
        `${Number(JSON.parse(event.data).count)} not shown: more happens than can be read`,
      );
      text.colSpan = 6;
      row.append(text);
      rows.prepend(row);
    });
    source.addEventListener('delivery', (event) => {
      if (isPaused) return;
      hint.hidden = true;
      rows.prepend(tailRow(JSON.parse(event.data)));
      while (rows.children.length > MAX_ROWS) rows.lastChild.remove();
    });
  };
  form.addEventListener('change', connect);
  form.addEventListener('submit', (event) => event.preventDefault());
  pause.addEventListener('click', () => {
    isPaused = !isPaused;
    pause.setAttribute('aria-pressed', String(isPaused));
    pause.textContent = isPaused ? 'Go on' : 'Pause';
    state.textContent = isPaused ? 'paused' : 'watching';
  });
  connect();
}

const TRY_AFTER_MS = 600;

/** Shows beside the editor what the webhook as typed would do, as it is typed. Saving is the form's own. */
function tryWhileEditing() {
  const form = document.querySelector('form[data-editor]');
  if (form === null) return;
  let timer;
  let asked = 0;
  const renew = async () => {
    asked += 1;
    const mine = asked;
    const body = new URLSearchParams(new FormData(form));
    body.set('act', 'try');
    try {
      const response = await fetch(form.action, { method: 'POST', body, headers: { accept: 'text/html' } });
      const next = new DOMParser().parseFromString(await response.text(), 'text/html');
      const outcome = next.querySelector('#outcome');
      // Somebody has typed on meanwhile: the answer to that comes.
      if (outcome === null || mine !== asked) return;
      const list = next.querySelector('#mistakes');
      document.querySelector('#outcome').replaceChildren(...outcome.childNodes);
      if (list !== null) document.querySelector('#outcome').replaceChildren(list);
    } catch {
      // The daemon is away for a moment; the button tells.
    }
  };
  form.addEventListener('input', (event) => {
    if (event.target.name === 'event_id') return;
    clearTimeout(timer);
    timer = setTimeout(renew, TRY_AFTER_MS);
  });
}

/** On a phone the pages' names do not all fit: the one of this page is shown. */
function showCurrentPage() {
  const link = document.querySelector('.top nav [aria-current]');
  link?.parentElement.scrollTo({ left: link.offsetLeft - link.parentElement.offsetLeft - 40 });
}

showCurrentPage();
listenToButtons();
tryWhileEditing();
renewLivePage();
followTail();
