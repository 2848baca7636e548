/** Receivers that misbehave, each in one way, over raw sockets. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

type Behaviour = (socket: Socket) => void;

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

/** Writes a piece again and again at its time, until the other side goes. */
function drip(first: string, piece: string, everyMs: number): Behaviour {
  return (socket) => {
    socket.write(first);
    const timer = setInterval(() => socket.write(piece), everyMs);
    socket.on('close', () => clearInterval(timer));
  };
}

/** Writes as much as the other side takes. */
function pour(first: string, piece: string): Behaviour {
  return (socket) => {
    socket.write(first);
    const more = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', more);
    more();
  };
}

/** For terminals, spreadsheets and browsers. */
export const EVIL_TEXT =
  '\x1b]0;owned\x07\x1b[31m=cmd|calc!A0 "><img src=x onerror=alert(1)>\r\n{"level":60}';

const say =
  (text: string | Buffer): Behaviour =>
  (socket) =>
    void socket.write(text);
const sayAndClose =
  (text: string): Behaviour =>
  (socket) =>
    void socket.end(text);
/** The other side has read it before it hears of the reset. */
const sayAndReset =
  (text: string): Behaviour =>
  (socket) =>
    void socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 20));

/** What a receiver does when the first bytes of a request arrive. */
export const BEHAVIOURS = {
  'says nothing': () => undefined,
  'never reads': (socket: Socket) => void socket.pause(),
  'drips its status line': drip('H', '', 100),
  'drips headers': drip('HTTP/1.1 200 OK\r\n', 'X-A: 1\r\n', 50),
  'drips its body': drip('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n', 'x', 50),
  'drips early hints': drip('', 'HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n', 50),
  // At a pace that leaves the test's own event loop some air: both ends share it.
  'floods with 100 Continue': drip('', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100), 5),
  'sends headers without end': pour('HTTP/1.1 200 OK\r\n', `X-Fill: ${'x'.repeat(1_000)}\r\n`),
  'sends ten thousand headers': say(
    `HTTP/1.1 200 OK\r\n${Array.from({ length: 10_000 }, (_, i) => `X-${i}: 1\r\n`).join('')}\r\n`,
  ),
  'sends one header of 64 KiB': say(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`),
  'sends a body without end': pour(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    `4000\r\n${'x'.repeat(0x4000)}\r\n`,
  ),
  'promises a gigabyte': pour('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n', 'x'.repeat(16_384)),
  'sends a bomb': say(
    Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n'),
      chunk(gzipSync(Buffer.alloc(32 * 1_048_576))),
      Buffer.from('0\r\n\r\n'),
    ]),
  ),
  'names a hundred encodings': say(
    `HTTP/1.1 200 OK\r\nContent-Encoding: ${Array(100).fill('gzip').join(', ')}\r\nContent-Length: 0\r\n\r\n`,
  ),
  'breaks off its body': sayAndClose('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  'sends more than it promised': say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more'),
  'sends a body with 204': say('HTTP/1.1 204 No Content\r\n\r\nbody'),
  'has a wrong chunk': say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
  'answers three times': say(`${OK}${OK}${OK}`),
  'resets at once': (socket: Socket) => void socket.resetAndDestroy(),
  'closes at once': (socket: Socket) => void socket.end(),
  'speaks SSH': say('SSH-2.0-OpenSSH_9.2\r\n'),
  'speaks HTTP/0.9': sayAndClose('<html>hello</html>'),
  'has a status of four digits': say('HTTP/1.1 2000 OK\r\n\r\n'),
  'redirects to metadata': say(
    'HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n',
  ),
  'redirects to itself': say('HTTP/1.1 307 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'),
  'redirects to a file': say(
    'HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n',
  ),
  'redirects with 303': say('HTTP/1.1 303 See\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'),
  'redirects with 308': say('HTTP/1.1 308 For good\r\nLocation: //[::1]/\r\nContent-Length: 0\r\n\r\n'),
  'redirects over two lines': say(
    'HTTP/1.1 302 Found\r\nLocation: http://a/\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n',
  ),
  'asks to be looked at again': say(
    'HTTP/1.1 200 OK\r\nRefresh: 0; url=http://[::1]/\r\nContent-Length: 0\r\n\r\n',
  ),
  'extends its chunks without end': pour(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;',
    'x'.repeat(16_384),
  ),
  'breaks off without a length': (socket: Socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setTimeout(() => socket.resetAndDestroy(), 20));
  },
  'answers before it has read': sayAndClose(
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  ),
  'sends a brotli bomb': say(
    Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n'),
      chunk(
        brotliCompressSync(Buffer.alloc(32 * 1_048_576), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
      ),
      Buffer.from('0\r\n\r\n'),
    ]),
  ),
  'speaks HTTP/2': say(
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  ),
  'has no status': say('HTTP/1.1 OK\r\n\r\n'),
  'ends its lines its own way': say('HTTP/1.1 200 OK\nX: 1\n\n'),
  'frames its body twice': say(
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ),
  'has two lengths': say('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
  'has a length that is none': say('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
  'says what terminals obey': say(
    `HTTP/1.1 500 No\r\nX-Evil: <script>\r\nContent-Length: ${EVIL_TEXT.length}\r\n\r\n${EVIL_TEXT}`,
  ),
  'says what is no text': say(
    Buffer.concat([
      Buffer.from('HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n'),
      Buffer.from([0xff, 0, 0xfe, 0x80]),
    ]),
  ),
  'has a status line without end': pour('HTTP/1.1 200 ', 'x'.repeat(16_384)),
  'pours early hints': pour('', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(500)),
  'sends trailers without end': pour(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Fill\r\n\r\n2\r\nok\r\n0\r\n',
    `X-Fill: ${'x'.repeat(1_000)}\r\n`,
  ),
  'drips trailers': drip(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n',
    'X-A: 1\r\n',
    50,
  ),
  'never ends what it promised': say('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  'resets in its status line': sayAndReset('HTTP/1.1 2'),
  'resets in its headers': sayAndReset('HTTP/1.1 200 OK\r\nX-A: '),
  'resets behind its headers': sayAndReset('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'),
  'resets in a chunk': sayAndReset('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf'),
  'resets behind its answer': sayAndReset(OK),
  'closes in its headers': sayAndClose('HTTP/1.1 200 OK\r\nX-A: '),
  'closes its half behind its answer': sayAndClose(OK),
  'talks on behind its answer': drip(OK, 'HTTP/1.1 250 Poison\r\nContent-Length: 0\r\n\r\n', 20),
  'changes the protocol': say('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'),
  'asks to come back in a century': say(
    'HTTP/1.1 503 Later\r\nRetry-After: 3153600000\r\nContent-Length: 0\r\n\r\n',
  ),
} as const satisfies Record<string, Behaviour>;

/** What a receiver does as soon as it is connected to. */
const GREETINGS = {
  'resets when it is connected to': (socket: Socket) => void socket.resetAndDestroy(),
  'closes when it is connected to': (socket: Socket) => void socket.destroy(),
  'closes its half when it is connected to': (socket: Socket) => void socket.end(),
  'answers before it is asked': say(OK),
} as const satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof BEHAVIOURS | keyof typeof GREETINGS;

/** All of them. */
export const HOSTILE = [...Object.keys(BEHAVIOURS), ...Object.keys(GREETINGS)] as readonly BehaviourName[];

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

export async function openHostile(name: BehaviourName) {
  const sockets = new Set<Socket>();
  let requests = 0;
  let connections = 0;
  const behave: Behaviour = { ...BEHAVIOURS, ...GREETINGS }[name];
  const isGreeting = name in GREETINGS;
  // What closes its half goes on reading.
  const server = createServer({ allowHalfOpen: name.startsWith('closes its half') }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let isBegun = isGreeting;
    socket.on('data', (bytes) => {
      if (bytes.includes('POST ')) requests += 1;
      if (isBegun) return;
      isBegun = true;
      behave(socket);
    });
    socket.on('end', () => socket.end());
    if (isGreeting) behave(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    requests: () => requests,
    connections: () => connections,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
