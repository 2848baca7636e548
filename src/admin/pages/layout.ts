/** The frame of every page: head, navigation, who is logged in. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../access.ts';
import { type Html, html } from '../html.ts';

const NAVIGATION = [
  ['/', 'Overview'],
  ['/webhooks', 'Webhooks'],
  ['/deliveries', 'Deliveries'],
  ['/failures', 'Failures'],
  ['/tail', 'Live tail'],
  ['/tasks', 'Background tasks'],
  ['/gaps', 'Gaps'],
  ['/system', 'System'],
] as const;

export interface PageOptions {
  readonly title: string;
  /** The navigation's entry. */
  readonly at: string;
  readonly body: Html;
  /** Whether the page renews itself. */
  readonly isLive?: boolean;
}

export function sendPage(request: FastifyRequest, reply: FastifyReply, options: PageOptions): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(page(request, options).toString());
}

export function page(request: FastifyRequest, { title, at, body, isLive }: PageOptions): Html {
  const identity = request.identity ?? null;
  return bareDocument(
    title,
    html`<a class="skip" href="#main">Skip to the content</a>
      <header class="top">
        <a class="brand" href="/">${logo()}<span>walhook</span></a>
        <nav aria-label="Pages">${NAVIGATION.map(
          ([href, label]) => html`<a href="${href}"${at === href && html` aria-current="page"`}>${label}</a>`,
        )}</nav>
        ${identity !== null && who(identity, request.csrf)}
      </header>
      <main id="main" tabindex="-1"${isLive === true && html` data-live="5"`}>${body}</main>`,
  );
}

export function bareDocument(title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · walhook</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/admin.css">
<script src="/assets/admin.js" defer></script>
</head>
<body>
${body}
</body>
</html>
`;
}

function logo(): Html {
  return html`<svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true"><path d="M6 9v7a6 6 0 0 0 12 0v-3m0 0-4 4m4-4 4 4M26 9v14" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>`;
}

function who({ name, role, via }: Identity, csrf: string): Html {
  if (via === 'loopback') return html`<span class="who muted">no login on loopback</span>`;
  return html`<form class="who" method="post" action="/logout">
    <input type="hidden" name="_csrf" value="${csrf}">
    <span><b>${name}</b> <span class="muted">${role}</span></span>
    <button class="quiet">Log out</button>
  </form>`;
}
