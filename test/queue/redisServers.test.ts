/** How the client library is used; no server is asked. */
import { describe, expect, it } from 'vitest';
import { RedisServers } from '../../src/queue/redis/redisServers.ts';

describe('a connection to Redis that ends', () => {
  it.each([
    ['a secret file is being replaced', 'redis://:${file:/run/secrets/redis}@127.0.0.1:6379'],
    ['a password is no valid escape', 'redis://:%E0%A4%A@127.0.0.1:6379'],
  ])('ends no process while %s: the next one has what there was', (_, url) => {
    let current = 'redis://u:before@127.0.0.1:6379';
    const client = new RedisServers(() => current).newClient(false);
    current = url;
    client.emit('close');
    expect(client.options).toMatchObject({ username: 'u', password: 'before' });
    current = 'redis://u:after@127.0.0.1:6379';
    client.emit('close');
    expect(client.options).toMatchObject({ username: 'u', password: 'after' });
    client.disconnect();
  });
});
