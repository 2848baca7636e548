import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRequestUrl, staticOrigin } from '../../src/deliver/url.ts';
import { compileTemplate } from '../../src/template/engine.ts';

const urlInvalid = expect.objectContaining({ code: 'URL_INVALID' });

describe('a rendered URL', () => {
  it.each([
    ['http://localhost:9000/', 'http://localhost:9000', '/', null],
    ['https://example.com', 'https://example.com', '/', null],
    ['https://example.com:443/a?b=c#d', 'https://example.com', '/a?b=c', null],
    ['  https://example.com/\n', 'https://example.com', '/', null],
    ['HTTPS://EXAMPLE.com/A', 'https://example.com', '/A', null],
    [
      'https://user:p%40ss@example.com/',
      'https://example.com',
      '/',
      `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    ],
    [
      'https://token@example.com/',
      'https://example.com',
      '/',
      `Basic ${Buffer.from('token:').toString('base64')}`,
    ],
    ['https://example.com/ä/€', 'https://example.com', '/%C3%A4/%E2%82%AC', null],
    ['https://example.com/a/../b', 'https://example.com', '/b', null],
    ['http://[::1]:8080/x', 'http://[::1]:8080', '/x', null],
    ['http://bücher.example/', 'http://xn--bcher-kva.example', '/', null],
    ['http://2130706433/', 'http://127.0.0.1', '/', null],
    // What only looks like another host.
    ['http://good.example#@evil.example/', 'http://good.example', '/', null],
    ['http://good.example?@evil.example/', 'http://good.example', '/?@evil.example/', null],
    ['http://good.example//evil.example/', 'http://good.example', '//evil.example/', null],
    [
      'http://user:pw@evil.example@good.example/',
      'http://good.example',
      '/',
      `Basic ${Buffer.from('user:pw@evil.example').toString('base64')}`,
    ],
    ['http://ехample.com/', 'http://xn--ample-ywe6i.com', '/', null],
    ['http://h:22/', 'http://h:22', '/', null],
    ['\thttp://h/\r\n', 'http://h', '/', null],
  ])('%j goes to %s, %s', (text, origin, path, authorization) => {
    expect(parseRequestUrl(text)).toEqual({ origin, path, authorization });
  });

  it.each([
    ['nothing', ''],
    ['no scheme', 'example.com/hook'],
    ['a path', '/hook'],
    ['no host', 'http://'],
    ['another scheme', 'ftp://example.com/'],
    ['a file', 'file:///etc/passwd'],
    ['javascript', 'javascript:alert(1)'],
    ['gopher', 'gopher://127.0.0.1:6379/_FLUSHALL'],
    ['a socket of the system', 'unix:/var/run/docker.sock'],
    ['a WebSocket', 'ws://example.com/'],
    ['a WebSocket over TLS', 'wss://example.com/'],
    ['a scheme that is left to somebody else', '//example.com/hook'],
    ['backslashes for slashes', 'http:\\\\evil.example'],
    ['a port that is no number', 'http://example.com:a/'],
    ['data', 'data:text/plain,x'],
    ['a line end inside', 'http://example.com/\r\nX-Evil: 1'],
    ['a tab that the parser would drop', 'http://exa\tmple.com/'],
    ['a space inside', 'http://example.com/a b'],
    ['a backslash that the parser reads as a slash', 'http://example.com\\@evil.example/'],
    ['NUL', 'http://example.com/\0'],
    ['DEL', 'http://example.com/\x7f'],
    ['port 0', 'http://example.com:0/'],
    ['a port beyond the last', 'http://example.com:65536/'],
    ['a host that is none', 'http://exa mple/'],
    ['half an escape in the host', 'http://%zz/'],
  ])('is refused for %s', (_what, text) => {
    expect(() => parseRequestUrl(text)).toThrow(urlInvalid);
  });

  // The URL parser keeps broken escapes in credentials; decoding them throws a URIError.
  it.each([
    'http://%E0%A4@example.com/',
    'http://u:%zz@example.com/',
  ])('is refused for credentials that are no text: %s', (text) => {
    expect(() => parseRequestUrl(text)).toThrow(urlInvalid);
  });

  it('is never echoed by its refusal', () => {
    for (const text of ['ftp://hunter2@h/', 'hunter2', 'http://h/hunter2 x']) {
      expect(() => parseRequestUrl(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
      );
    }
  });

  it('leads nowhere but to http and https, and carries no line end', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((tail) => `http://h/${tail}`),
        ),
        (text) => {
          try {
            const { origin, path } = parseRequestUrl(text);
            expect(origin).toMatch(/^https?:\/\/[^/@]+$/);
            expect(path).toMatch(/^\/[\x21-\x7e]*$/);
          } catch (error) {
            expect(error).toEqual(urlInvalid);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('the origin that a template fixes', () => {
  it.each([
    ['http://localhost:9000/', 'http://localhost:9000'],
    ['https://example.com/{{ model }}', 'https://example.com'],
    ['https://example.com:8443/a?b={{ data.id }}', 'https://example.com:8443'],
    ['https://example.com?x={{ y }}', 'https://example.com'],
    ['https://example.com#{{ y }}', 'https://example.com'],
    ['  https://example.com/{% if x %}a{% endif %}', 'https://example.com'],
    ['HTTPS://EXAMPLE.COM:443/{{ x }}', 'https://example.com'],
    ['https://user:pw@example.com/{{ x }}', 'https://example.com'],
    ['https://example.com/{# note #}x', 'https://example.com'],
  ])('%s: %s', (template, origin) => {
    expect(staticOrigin(template)).toBe(origin);
  });

  it.each([
    ['the whole', '{{ url }}'],
    ['the scheme', '{{ scheme }}://example.com/'],
    ['the host', 'https://{{ host }}/'],
    ['the end of the host', 'https://example.com{{ suffix }}/'],
    [
      'the end of the host, though the tag may be empty',
      'https://example.com{% if x %}.evil.example{% endif %}/',
    ],
    ['the start of the host', 'https://{{ sub }}.example.com/'],
    ['the port', 'https://example.com:{{ port }}/'],
    ['the credentials, which end where data says', 'https://user:{{ password }}@example.com/'],
    ['the host after what looks like one', 'https://good.example@{{ x }}/'],
    ['a backslash, which is a slash to some', 'https://good.example\\{{ x }}'],
    ['what a backslash stands before', 'https://good.example\\@evil.example/{{ x }}'],
    ['a scheme of its own', 'ftp://example.com/{{ x }}'],
    ['what a comment stands before', '{# note #}https://example.com/'],
    ['nothing but a path', '/{{ x }}'],
    ['a host that is none', 'https://exa mple.com/{{ x }}'],
    ['no host', 'https:///{{ x }}'],
    ['a text that is no URL', 'not a url'],
  ])('is none where data has a say in %s', (_what, template) => {
    expect(staticOrigin(template)).toBeNull();
  });

  it('is that of everything its template renders to, whatever the data', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        '@evil.example',
        '//evil.example',
        '.evil.example',
        ':80@evil',
        '\\\\evil',
        '/../..//evil',
        '#',
        '?',
        '\t//evil',
        '%2f%2fevil',
        'http://evil.example/',
      ),
    );
    const templates = [
      'https://example.com/{{ x }}',
      'https://example.com/{{ x }}/{{ y }}',
      'https://example.com?{{ x }}={{ y }}',
      'https://example.com#{{ x }}',
      '{{ x }}https://example.com/',
      'https://example.com{{ x }}/',
      'https://{{ x }}@example.com/',
    ].map((source) => ({ source, template: compileTemplate(source, { path: 'url', undefined: 'lenient' }) }));
    fc.assert(
      fc.property(fc.constantFrom(...templates), hostile, hostile, ({ source, template }, x, y) => {
        const fixed = staticOrigin(source);
        if (fixed === null) return;
        try {
          expect(parseRequestUrl(template.render({ x, y })).origin).toBe(fixed);
        } catch (error) {
          expect(error).toEqual(urlInvalid);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
