/** How far resending or cancelling many is, with a way to stop it. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { WalhookError } from '../../core/errors.ts';
import { audit } from '../guard.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import type { Operation, Operations } from '../operations.ts';
import { sendPage } from './layout.ts';
import { actButton, notice, number, time } from './parts.ts';

interface Identified {
  Params: { id: string };
}

export function addOperationPage(server: FastifyInstance, host: AdminHost, operations: Operations): void {
  const operator = { role: 'operator' } as const;
  const found = (id: string): Operation => {
    const operation = operations.find(id);
    if (operation !== null) return operation;
    throw new WalhookError('NOT_FOUND', 'expected an operation of this process, found none (any more)', {
      remedy: 'look at the Deliveries themselves',
    });
  };
  server.get<Identified>('/operations/:id', { config: operator }, (request, reply) => {
    const operation = found(request.params.id);
    const isLive = operation.state === 'running';
    const body = page(operation, request, host.clock.now());
    return sendPage(request, reply, { title: TITLES[operation.act], at: '/deliveries', isLive, body });
  });
  server.post<Identified>('/operations/:id/stop', { config: operator }, (request, reply) => {
    const { id, act, done } = found(request.params.id);
    operations.stop(id);
    audit(host, request, `deliveries ${act} stopped`, { operation: id, done });
    return reply.redirect(`/operations/${id}`, 303);
  });
}

const TITLES = { resend: 'Resending', cancel: 'Cancelling' } as const;
const DONE = { resend: 'will be sent again', cancel: 'cancelled' } as const;

function page(operation: Operation, request: FastifyRequest, nowMs: number): Html {
  const { id, act, by, search, total, state, done, skipped, error, startedAtMs } = operation;
  const seen = Math.min(total, done + skipped);
  return html`<p class="crumbs"><a href="/deliveries${search}">Deliveries</a></p>
    <h1>${TITLES[act]} ${number(total)}</h1>
    <progress max="${Math.max(1, total)}" value="${state === 'done' ? Math.max(1, total) : seen}">${number(seen)} of ${number(total)}</progress>
    <p class="big">${number(done)} <span class="unit">${DONE[act]}${skipped > 0 && `, ${number(skipped)} could not be`}</span></p>
    <p class="muted">Begun ${time(startedAtMs, nowMs)} by ${by}.</p>
    ${state === 'running' && html`<div class="bar">${actButton(`/operations/${id}/stop`, 'Stop', request.csrf, { tone: 'danger' })} <span class="muted">What is done stays done.</span></div>`}
    ${state === 'done' && notice('good', 'Done.')}
    ${state === 'cancelled' && notice('warn', 'Stopped. The rest is as it was.')}
    ${state === 'failed' && notice('bad', html`<b>${error ?? ''}</b> It ended early: the queue did not answer. What is done stays done; begin again for the rest.`)}`;
}
