/** Every refusal is a problem of RFC 9457, whatever was sent. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorCatalogue } from '../../src/core/errors.ts';
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, testAdmin } from './testAdmin.ts';

let admin: TestAdmin;
beforeAll(async () => {
  admin = await testAdmin();
  admin.queue.deliveries.push(delivery('d1'));
});
afterAll(() => admin[Symbol.asyncDispose]());

async function expectProblem(answer: Response, status: number): Promise<Record<string, unknown>> {
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const problem = (await answer.json()) as Record<string, unknown>;
  expect(answer.status).toBe(status);
  expect(Object.keys(problem).sort()).toEqual(['code', 'detail', 'remedy', 'status', 'title', 'type']);
  expect(problem['status']).toBe(status);
  expect(Object.keys(errorCatalogue)).toContain(problem['code']);
  expect(JSON.stringify(problem)).not.toMatch(/\bat .*\.[jt]s:|node_modules|FST_ERR/);
  return problem;
}

describe('a refusal of the API', () => {
  const json = { 'content-type': 'application/json' };
  it.each([
    ['an address that is not there', 'GET', '/api/nothing', {}, 404],
    ['a Delivery that is not there', 'GET', '/api/deliveries/none', {}, 404],
    ['a webhook that is not there', 'POST', '/api/webhooks/none/pause', {}, 404],
    ['a method that is not taken', 'DELETE', '/api/deliveries', {}, 405],
    ['a method that is not taken, with an id', 'PUT', '/api/deliveries/d1', {}, 405],
    ['a method of none', 'POST', '/api/status', {}, 405],
    ['a body that is no JSON', 'POST', '/api/try', json, 400],
    ['a content type that is none of ours', 'POST', '/api/try', { 'content-type': 'text/xml' }, 415],
    ['another origin', 'POST', '/api/deliveries/d1/resend', { origin: 'https://evil.example' }, 400],
    ['an address that cannot be decoded', 'GET', '/api/deliveries/%ff', {}, 400],
    ['a cursor that is none', 'GET', '/api/deliveries?limit=x', {}, 400],
    ['a filter given twice', 'GET', '/api/deliveries?state=failed&state=delivered', {}, 400],
  ] as const)('tells what was expected: %s', async (what, method, path, headers, status) => {
    const body = method === 'GET' || method === 'DELETE' ? {} : { body: '{"webhook": ' };
    const answer = await fetch(admin.server.url + path, {
      method,
      headers: { authorization: 'Bearer admin-token-1', ...headers },
      ...('content-type' in headers ? body : {}),
    });
    if (what === 'another origin') {
      // A Bearer token is sent by no page without being asked for: its origin does not matter.
      expect(answer.status).toBe(200);
      return;
    }
    await expectProblem(answer, status);
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/GET/);
  });
});

describe('whatever is sent', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constantFrom(
      'sessions',
      'd1',
      '..',
      '%00',
      '__proto__',
      'constructor',
      '%',
      '{{',
      '\u0000',
      '💥',
      '-1',
      '1e999',
    ),
  );
  const value = fc.oneof(piece, fc.jsonValue({ maxDepth: 4 }), fc.constant('x'.repeat(20_000)));

  it('is answered without a failure of the server, and never with where in the program', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.context(),
        fc.nat(),
        piece,
        fc.array(
          fc.tuple(
            fc.constantFrom(
              'webhook',
              'state',
              'key',
              'since',
              'until',
              'limit',
              'cursor',
              'ids',
              'event',
              'x',
            ),
            piece,
          ),
          { maxLength: 4 },
        ),
        value,
        fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain', 'x'),
        async (context, n, name, search, body, type) => {
          const { routes } = admin.server;
          const at = routes[n % routes.length];
          if (at === undefined || /tail|logout|reload/.test(at.url)) return;
          const path = at.url.replace(/:(name|id)/, () => encodeURIComponent(name));
          const query = new URLSearchParams(search);
          const text = typeof body === 'string' ? body : JSON.stringify(body);
          context.log(`${at.method} ${path}?${query}`);
          const answer = await fetch(`${admin.server.url}${path}?${query}`, {
            method: at.method,
            redirect: 'manual',
            headers: { authorization: 'Bearer admin-token-1', 'content-type': type },
            ...(at.method === 'GET' ? {} : { body: text }),
          });
          const said = await answer.text();
          // The database of this test is away.
          if (answer.status !== 503) expect(answer.status).toBeLessThan(500);
          expect(said).not.toMatch(/\n\s+at .*\.[jt]s:\d|node_modules|FST_ERR/);
        },
      ),
      { numRuns: 300 },
    );
    expect(admin.log()).not.toContain('UNEXPECTED');
  }, 60_000);
});
