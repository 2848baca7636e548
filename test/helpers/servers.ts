/** A PostgreSQL of a test's own, for settings and accidents that others must not share. */
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';

export interface TestServer extends AsyncDisposable {
  /** A superuser's URL of the database postgres. */
  readonly url: string;
  readonly server: EmbeddedPostgres;
}

export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const server = await startEmbeddedPostgres({ settings });
  return { url: server.url('postgres'), server, [Symbol.asyncDispose]: () => server.stop() };
}
