import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Frame, FrameSplitter } from '../../src/replication/frames.ts';

function message(type: string, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeUInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
}

function xlogData(body: Buffer | string): Buffer {
  return message('d', Buffer.concat([Buffer.from('w'), Buffer.alloc(24), Buffer.from(body)]));
}

function keepalive(walEnd: bigint, replyRequested: boolean): Buffer {
  const payload = Buffer.alloc(18);
  payload.write('k');
  payload.writeBigUInt64BE(walEnd, 1);
  payload[17] = replyRequested ? 1 : 0;
  return message('d', payload);
}

function describeFrame(frame: Frame): string {
  switch (frame.tag) {
    case 'data':
      return `data ${frame.buffer.toString('utf8', frame.start, frame.end)}`;
    case 'keepalive':
      return `keepalive ${frame.walEnd} ${frame.replyRequested}`;
    case 'oversized':
      return `oversized ${frame.bytes} ${frame.head.toString('utf8')}`;
  }
}

function split(chunks: readonly Buffer[], maxMessageBytes = 1000): { frames: string[]; passed: string[] } {
  const passed: string[] = [];
  const splitter = new FrameSplitter(maxMessageBytes, (other) => passed.push(other.toString('latin1')));
  const frames: string[] = [];
  for (const chunk of chunks) {
    splitter.push(chunk);
    frames.push(...splitter.take().map(describeFrame));
  }
  return { frames, passed };
}

const stream = Buffer.concat([
  message('W', Buffer.from([0, 0, 0])),
  xlogData('first'),
  keepalive(0x16b374d848n, true),
  xlogData(''),
  xlogData('x'.repeat(1001)),
  message('N', Buffer.from('notice')),
  xlogData('last'),
  message('c', Buffer.alloc(0)),
]);
const expected = {
  frames: [
    'data first',
    `keepalive ${0x16b374d848n} true`,
    'data ',
    `oversized 1001 ${'x'.repeat(64)}`,
    'data last',
  ],
  passed: ['W\0\0\0\x07\0\0\0', 'N\0\0\0\nnotice', 'c\0\0\0\x04'],
};

describe('frames of a replication connection', () => {
  it('come whole from one read', () => {
    expect(split([stream])).toEqual(expected);
  });

  it('come whole however the stream is cut, at every byte boundary', () => {
    for (let at = 1; at < stream.length; at += 1) {
      expect(split([stream.subarray(0, at), stream.subarray(at)])).toEqual(expected);
    }
    expect(split([...stream].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  it('come whole for random cuts', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const chunks = at.slice(1).map((end, i) => stream.subarray(at[i], end));
        expect(split(chunks)).toEqual(expected);
      }),
    );
  });

  it('skip a message above the limit without holding its bytes', () => {
    const splitter = new FrameSplitter(1024, () => undefined);
    const big = xlogData(Buffer.alloc(64 * 1024 * 1024, 'y'));
    const before = process.memoryUsage().arrayBuffers;
    for (let at = 0; at < big.length; at += 65_536) splitter.push(big.subarray(at, at + 65_536));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect(splitter.take()).toMatchObject([{ tag: 'oversized', bytes: 64 * 1024 * 1024 }]);
  });
});
