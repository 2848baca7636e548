/**
 * Connections to receivers through an HTTP proxy (CONNECT, RFC 9110 §9.3.6), each bounded in time: a proxy that
 * hangs, drips or lies costs its request one Attempt, and the connection's place is free again.
 *
 * Node's own client asks the proxy. The tunnel that it opens is a connection like any other to those who use it.
 */
import { type ClientRequest, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import type { Secret } from '../core/secret.ts';
import type { TlsMaterial } from './tlsFiles.ts';

export interface TunnelOptions {
  /** URL of the proxy, with its credentials. */
  readonly proxy: Secret;
  /** For the tunnel, and again for the handshake with the receiver. */
  readonly timeoutMs: number;
  /** For the receiver behind the proxy. */
  readonly tls: TlsMaterial;
}

/** A connector for undici whose connections are tunnels. */
export function tunnelConnector({ proxy, timeoutMs, tls }: TunnelOptions): buildConnector.connector {
  const secure = buildConnector({ ...tls, timeout: timeoutMs, allowH2: false });
  return (target, callback) => {
    const isSecure = target.protocol === 'https:';
    const place = `${target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname}:${target.port || (isSecure ? 443 : 80)}`;
    openTunnel(new URL(proxy.reveal()), place, timeoutMs).then(
      (socket) => {
        if (isSecure) secure({ ...target, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: Error) => callback(error, null),
    );
  };
}

/** Asks a proxy for a way to `host:port`. Rejects with an error that bears a `code`. */
function openTunnel(proxy: URL, place: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = connectRequest(proxy, place);
    const timer = setTimeout(() => {
      request.destroy(coded('ETIMEDOUT', `no tunnel within ${timeoutMs} ms`));
    }, timeoutMs);
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.on('connect', ({ statusCode }, socket: Socket, head) => {
      clearTimeout(timer);
      socket.on('error', () => undefined);
      // Both HTTP and TLS begin with us: what comes before is from the proxy, and would pass for the receiver's.
      const refusal = statusCode !== 200 ? `PROXY_${statusCode}` : head.length > 0 ? 'PROXY_UNASKED' : null;
      if (refusal === null) {
        socket.setNoDelay(true);
        return resolve(socket);
      }
      socket.destroy();
      reject(coded(refusal, 'the proxy opened no tunnel'));
    });
    request.end();
  });
}

function connectRequest(proxy: URL, place: string): ClientRequest {
  const isSecure = proxy.protocol === 'https:';
  const credentials = proxy.username === '' && proxy.password === '' ? null : basicAuth(proxy);
  return (isSecure ? secureRequest : plainRequest)({
    agent: false,
    host: proxy.hostname.replaceAll(/[[\]]/g, ''),
    port: proxy.port === '' ? (isSecure ? 443 : 80) : Number(proxy.port),
    method: 'CONNECT',
    path: place,
    headers: {
      host: place,
      'proxy-connection': 'keep-alive',
      ...(credentials === null ? {} : { 'proxy-authorization': credentials }),
    },
  });
}

function basicAuth({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`;
}

/** Credentials with a broken escape are taken as they are written. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
