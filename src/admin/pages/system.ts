/** The system: versions, slot and queue, the configuration in force without its secrets, and reload. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { stringify } from 'yaml';
import type { StatusReport } from '../../commands/statusReport.ts';
import { toWalhookError, type WalhookError } from '../../core/errors.ts';
import { isAllowed } from '../access.ts';
import { audit } from '../guard.ts';
import { type AdminHost, adminConfig } from '../host.ts';
import { type Html, html } from '../html.ts';
import { maskedSettings, maskHeaderText, maskOf } from '../masking.ts';
import { sendPage } from './layout.ts';
import { actButton, bytes, chip, code, definitions, notice, table, time } from './parts.ts';

export function addSystem(server: FastifyInstance, host: AdminHost): void {
  server.get('/system', { config: { role: 'viewer' } }, async (request, reply) => {
    const status = await host.readStatus().catch(toWalhookError);
    return sendPage(request, reply, { title: 'System', at: '/system', body: system(host, request, status) });
  });
  server.post('/system/reload', { config: { role: 'admin' } }, (request, reply) => {
    audit(host, request, 'reload');
    // The page says what came of it.
    host.reloader.tryReload(request.identity?.name ?? 'admin');
    return reply.redirect('/system', 303);
  });
}

function system(host: AdminHost, request: FastifyRequest, status: StatusReport | WalhookError): Html {
  const { identity, csrf } = request;
  const mayReload = identity !== null && isAllowed(identity.role, 'admin');
  const { version, webhooks } = host.live.current;
  return html`<div class="head"><h1>System</h1><div class="acts">${mayReload && actButton('/system/reload', 'Reload configuration', csrf, { tone: 'primary' })}</div></div>
    ${lastReload(host)}
    ${definitions([
      ['walhook', host.version],
      ['Node.js', process.version],
      ['Roles', host.roles.join(', ')],
      ['Started', time(host.startedAtMs, host.clock.now())],
      ['Definitions', `${webhooks.length} webhooks, set ${version + 1} since the start`],
      ['API', html`<a href="/api/openapi.json">OpenAPI document</a>`],
      ['Metrics', html`<a href="/metrics">Prometheus text</a>`],
    ])}
    <h2>Database and queue</h2>
    ${'code' in status ? notice('bad', html`<b>${status.code}</b> ${status.message}<br>Try: ${status.remedy}`) : statusList(status)}
    <h2>Tokens</h2>
    ${tokens(host)}
    <h2>Configuration in force</h2>
    <p class="muted">With its defaults; times in milliseconds, sizes in bytes; secrets masked.</p>
    ${code(configText(host), { label: 'Configuration, as YAML' })}`;
}

function lastReload(host: AdminHost): Html | null {
  const { last } = host.reloader;
  if (last === null) return null;
  const at = time(last.atMs, host.clock.now());
  if (last.error === null) return notice('good', html`Reloaded ${at}.`);
  const { code: name, message, remedy } = last.error;
  return html`<div class="notice bad" role="alert"><b>${name}</b> The reload ${at} was refused; the configuration of before is in force.
    <pre>${maskOf(host.live.current.loaded)(message)}</pre>Try: ${remedy}</div>`;
}

function statusList({ environment, database, generation, slot, queue }: StatusReport): Html {
  return definitions([
    ['Environment', environment],
    ['Database', database],
    ['Generation', html`<code>${generation ?? '(not set up)'}</code>`],
    ['Slot', html`${slot.name} ${chip(slot.wal_status)}`],
    [
      'Captured',
      slot.active_pid === null
        ? 'by nobody'
        : html`from ${slot.captured_by}, server process ${slot.active_pid}`,
    ],
    ['Confirmed', html`<code>${slot.confirmed_flush_lsn}</code>, ${bytes(slot.lag_bytes)} behind`],
    ['Restart', html`<code>${slot.restart_lsn}</code>, ${bytes(slot.retained_wal_bytes)} retained`],
    ['Queue', queue.kind],
    ['Position', html`<code>${queue.position ?? '–'}</code>`],
    ['Durability', queue.durability],
  ]);
}

function tokens(host: AdminHost): Html {
  const { tokens: known } = adminConfig(host);
  if (known.length === 0)
    return html`<p class="muted">None: whoever reaches this port of this machine is an admin.</p>`;
  return table(
    ['Name', 'Role'],
    known.map(({ name, role }) => [name, role]),
    'Tokens',
  );
}

function configText(host: AdminHost): string {
  const { loaded } = host.live.current;
  const mask = maskOf(loaded);
  const { webhooks, ...rest } = loaded.config;
  const shown = webhooks.map(({ additional_headers: headers, ...webhook }) => ({
    ...(maskedSettings(webhook, mask) as Record<string, unknown>),
    additional_headers: maskHeaderText(headers, mask),
  }));
  return stringify({ ...(maskedSettings(rest, mask) as Record<string, unknown>), webhooks: shown });
}
