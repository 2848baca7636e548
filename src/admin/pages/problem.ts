/** Errors as pages: what was expected, what was found, what helps. */
import type { FastifyRequest } from 'fastify';
import { type Html, html } from '../html.ts';
import type { Problem } from '../problems.ts';
import { page } from './layout.ts';

export function errorPage(request: FastifyRequest, { status, code, title, detail, remedy }: Problem): Html {
  return page(request, {
    title: code,
    at: '',
    body: html`<section class="problem">
      <p class="muted">${status} · ${code}</p>
      <h1>${title}</h1>
      <p>${detail}</p>
      <p><b>Try:</b> ${remedy}</p>
      <p><a href="/">Overview</a></p>
    </section>`,
  });
}
