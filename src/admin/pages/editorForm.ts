/** The fields of a webhook, those that nearly every webhook has first, the rest folded away until one is set. */

import { formatBytes, formatDuration } from '../../config/units.ts';
import { HTTP_METHODS } from '../../config/webhookSchema.ts';
import { EVENT_FORMATS } from '../../core/eventFormat.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { type FormState, mistakesOf, selectField, textField, tick, tickFields } from './fields.ts';

export function editorForm(host: AdminHost, state: FormState, models: readonly string[]): Html {
  const { config } = host.live.current.loaded;
  const secrets = Object.keys(config.secrets).sort();
  return html`<datalist id="models">${['*', ...models].map((name) => html`<option value="${name}"></option>`)}</datalist>
    ${textField(state, 'name', 'Name', { isRequired: true, placeholder: 'orders to slack' })}
    <div class="field">${tick(state, 'enabled', 'enabled: it fires for Changes from here on')}</div>
    ${textField(state, 'models', 'Models', {
      isRequired: true,
      list: 'models',
      placeholder: 'order, customer',
      hint: html`Separated by commas; <code>*</code> for every watched table.${models.length > 0 && html` There are: ${models.slice(0, 12).join(', ')}${models.length > 12 && ' …'}`}`,
    })}
    ${tickFields(state, 'events', 'Events', ['created', 'updated', 'deleted', 'truncated'])}
    <div class="pair">${selectField(state, 'http_method', 'Method', choices('POST', HTTP_METHODS), { isShort: true })}
    ${textField(state, 'url', 'URL', {
      isRequired: true,
      placeholder: 'https://hooks.example.com/{{ model }}',
      hint: hostHint(config.rows.allow_hosts),
    })}</div>
    ${textField(state, 'additional_headers', 'Headers', { rows: 2, placeholder: 'X-Request: {{ request_id }}', hint: html`A template; one <code>Name: value</code> per line.` })}
    ${textField(state, 'body_template', 'Body', { rows: 6, placeholder: '{"text": "{{ model }} {{ data.id }} was {{ event }} by {{ username }}"}', hint: 'A template; empty: the Event as JSON.' })}
    ${textField(state, 'conditions', 'Conditions', { rows: 4, placeholder: '{attr: status.value, value: enabled}', hint: html`YAML or JSON; empty: always. One <code>{attr, op, value, negate}</code>, or several in <code>and:</code> and <code>or:</code>.` })}
    ${selectField(
      state,
      'secret_name',
      'Secret',
      [['', 'none: not signed'], ...secrets.map((name): [string, string] => [name, name])],
      {
        hint:
          secrets.length === 0
            ? html`Signs each request. <code>secrets</code> of the configuration file names none yet.`
            : 'Signs each request. Named in the configuration file; the secret itself is not kept in the row.',
      },
    )}
    ${more(state, 'Delivery', ['timeout', 'retry_schedule', 'retry_max_age', 'concurrency', 'rate_limit_max', 'rate_limit_per', 'ordering', 'on_gone'], deliveryFields(state))}
    ${more(state, 'Matching', ['columns', 'conditions_mode', 'on_unavailable', 'require_username', 'require_request_id', 'collapse'], matchingFields(state))}
    ${more(state, 'Request', ['http_content_type', 'payload_format', 'undefined', 'signature', 'ssl_verification', 'allow_templated_host'], requestFields(state))}
    ${more(state, 'Bounds', ['brake_max', 'brake_per', 'backlog_max', 'backlog_bytes', 'backlog_then'], boundFields(state))}`;
}

function deliveryFields(state: FormState): Html {
  return html`
    ${textField(state, 'timeout', 'Timeout of one Attempt', { placeholder: formatDuration(15_000) })}
    ${textField(state, 'retry_schedule', 'Retries', { placeholder: '5s, 30s, 2m, 10m, 30m, 2h, 5h, 10h, 14h, 20h, 24h', hint: html`The delay before each, half of it random; <code>never</code>: none.` })}
    ${textField(state, 'retry_max_age', 'Not retried any more after', { placeholder: '7d' })}
    ${textField(state, 'concurrency', 'Requests in flight at once', { placeholder: '8', hint: 'Over all processes.' })}
    <div class="pair even">${textField(state, 'rate_limit_max', 'At most', { placeholder: 'no limit' })}${textField(state, 'rate_limit_per', 'requests started per', { placeholder: '1s' })}</div>
    ${selectField(state, 'ordering', 'Order', [
      ['', 'default'],
      ['none', 'none: roughly in order, fastest'],
      ['row', 'row: Deliveries of one row in commit order'],
    ])}
    ${selectField(state, 'on_gone', 'When the receiver says 410', [
      ['', 'default: pause; fail where the URL is a template'],
      ['pause', 'pause'],
      ['fail', 'fail'],
    ])}`;
}

function matchingFields(state: FormState): Html {
  return html`
    ${textField(state, 'columns', 'Columns', { placeholder: 'status, asn', hint: 'An update matters only if one of these changed; empty: any.' })}
    ${selectField(state, 'conditions_mode', 'An unknown path in conditions is', [
      ['', 'default'],
      ['strict', 'strict: an error, as in NetBox'],
      ['lenient', 'lenient: null, as in Peering Manager'],
    ])}
    ${selectField(state, 'on_unavailable', 'When the result hangs on a value that is not at hand', [
      ['', 'default'],
      ['error', 'error: a failed Delivery'],
      ['fire', 'fire'],
      ['skip', 'skip'],
    ])}
    ${tickFields(state, 'require', 'Only Changes of which is known', ['username', 'request_id'])}
    ${selectField(state, 'collapse', 'Several changes of one row in one Transaction', [
      ['', 'default'],
      ['true', 'become one Event'],
      ['false', 'stay several Events'],
    ])}`;
}

function requestFields(state: FormState): Html {
  return html`
    ${textField(state, 'http_content_type', 'Content type', { placeholder: 'application/json' })}
    ${selectField(state, 'payload_format', 'Names and values in body and templates', choices('walhook', EVENT_FORMATS))}
    ${selectField(state, 'undefined', 'An unknown name in a template is', [
      ['', 'default'],
      ['lenient', 'lenient: empty'],
      ['strict', 'strict: an error'],
    ])}
    ${selectField(state, 'signature', 'Signature headers', choices('both', ['netbox', 'standard', 'both']))}
    ${selectField(state, 'ssl_verification', "The receiver's certificate", [
      ['', 'default: verified'],
      ['true', 'is verified'],
      ['false', 'may be any: protects from nobody'],
    ])}
    ${selectField(state, 'allow_templated_host', 'Data has a say in the host of the URL', [
      ['', 'default: no'],
      ['false', 'no'],
      ['true', 'yes'],
    ])}`;
}

function boundFields(state: FormState): Html {
  return html`
    <div class="pair even">${textField(state, 'brake_max', 'Brake: pause at more than', { placeholder: 'no brake' })}${textField(state, 'brake_per', 'matches per', { placeholder: '1m' })}</div>
    <div class="pair even">${textField(state, 'backlog_max', 'Backlog: at most', { placeholder: '100000' })}${textField(state, 'backlog_bytes', 'Deliveries, or', { placeholder: formatBytes(256 * 1_048_576) })}</div>
    ${selectField(state, 'backlog_then', 'Beyond that', [
      ['', 'default: overflow'],
      ['overflow', 'overflow: not stored, a Gap tells which'],
      ['drop_oldest', 'drop_oldest'],
      ['hold', 'hold: the stream waits, for every webhook'],
    ])}`;
}

/** Open where something in it is set or wrong. */
function more(state: FormState, label: string, names: readonly string[], fields: Html): Html {
  const isUsed = names.some(
    (name) =>
      (state.fields[name] ?? '') !== '' || mistakesOf(state, name.replace(/^(require)_.*/, '$1')).length > 0,
  );
  return html`<details class="more"${isUsed && html` open`}><summary>${label}</summary>${fields}</details>`;
}

function choices(preset: string, values: readonly string[]): [string, string][] {
  return [['', `default: ${preset}`], ...values.map((value): [string, string] => [value, value])];
}

function hostHint(allowed: readonly string[]): Html {
  return allowed.includes('*')
    ? html`A template. Where it may lead, <code>addresses</code> says.`
    : html`A template. Its host has to be one of ${allowed.join(', ')}.`;
}
