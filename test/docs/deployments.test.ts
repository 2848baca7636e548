/** The examples for Kubernetes are what its API server accepts, and what they and the stack hold is valid. */
import { existsSync, readFileSync } from 'node:fs';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { planHelperRights } from '../../src/setup/rolePlan.ts';
import { configFolder } from '../helpers/command.ts';
import { inProcess } from '../helpers/inProcess.ts';

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly name: string;
  readonly ports: readonly { readonly name: string }[];
  readonly livenessProbe: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly securityContext: object;
  readonly envFrom: readonly object[];
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const resources = ['deployment', 'sidecar'].flatMap((file) =>
  parseAllDocuments(read(`examples/kubernetes/${file}.yaml`)).map((document) => {
    const resource = document.toJS() as Resource;
    return { file, kind: resource.kind, name: resource.metadata.name, resource };
  }),
);

describe('an example for Kubernetes', () => {
  let validator: FastifyInstance;

  beforeAll(async () => {
    const { kinds, definitions } = JSON.parse(read('test/fixtures/kubernetes/schema.json')) as {
      kinds: Record<string, object>;
      definitions: object;
    };
    // Fastify's validator of bodies, told to change and forgive nothing.
    const customOptions = {
      removeAdditional: false,
      coerceTypes: false,
      useDefaults: false,
      strict: false,
    } as const;
    validator = Fastify({ ajv: { customOptions } });
    for (const [kind, schema] of Object.entries(kinds)) {
      validator.post(`/${kind}`, { schema: { body: { ...schema, definitions } } }, () => ({}));
    }
    await validator.ready();
  });
  afterAll(() => validator.close());

  /** What the schema has against it; empty where it is valid. */
  const refusal = async (resource: Resource): Promise<string> => {
    const answer = await validator.inject({ method: 'POST', url: `/${resource.kind}`, payload: resource });
    return answer.statusCode === 200 ? '' : answer.body;
  };

  it.each(resources)('$kind $name of the $file fits the schema of Kubernetes 1.33', async ({ resource }) => {
    expect(await refusal(resource)).toBe('');
  });

  it('that has a key too many, or a value of another type, does not', async () => {
    const deployment = resources.find(({ kind }) => kind === 'Deployment')?.resource as Resource & {
      spec: object;
    };
    expect(await refusal({ ...deployment, spec: { ...deployment.spec, replica: 2 } } as Resource)).toMatch(
      /additional/,
    );
    expect(
      await refusal({ ...deployment, spec: { ...deployment.spec, replicas: 'two' } } as Resource),
    ).not.toBe('');
  });

  it.each(
    resources.filter(({ kind }) => kind === 'Deployment'),
  )('$name of the $file gives walhook longer than it takes to stop, asks its probes of a port it serves, and runs as nobody', ({
    resource,
  }) => {
    const { spec } = (resource as unknown as { spec: { template: { spec: PodSpec } } }).spec.template;
    const all = [...(spec.initContainers ?? []), ...spec.containers];
    const walhook = all.find(({ name }) => name === 'walhook');
    // shutdown_timeout is 25 s by default.
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(25);
    const ports = walhook?.ports.map(({ name }) => name);
    expect(ports).toContain(walhook?.livenessProbe.httpGet.port);
    expect(walhook?.livenessProbe.httpGet.path).toBe('/livez');
    const ready = walhook?.readinessProbe ?? walhook?.startupProbe;
    expect(ports).toContain(ready?.httpGet.port);
    expect(ready?.httpGet.path).toBe('/readyz');
    expect(walhook?.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
    });
    // Secrets come from a Secret, and stand in no file.
    expect(walhook?.envFrom).toEqual([{ secretRef: { name: 'walhook' } }]);
  });

  const files = resources.flatMap(({ file, resource }) =>
    Object.entries(resource.data ?? {}).map(([key, text]) => ({ file, key, text })),
  );
  it.each(files)('has a valid configuration: $key of the $file', async ({ text }) => {
    await using folder = await configFolder(text);
    const env = {
      DATABASE_URL: 'postgres://db.test/app',
      QUEUE_URL: 'redis://queue.test',
      ADMIN_TOKEN: 'a'.repeat(32),
    };
    const done = await inProcess(['validate', '-c', folder.file], { env });
    expect(done.code === 0 ? '' : `${done.stdout}${done.stderr}`).toBe('');
  });
});

describe('the stack of docker-compose.yml', () => {
  it('mounts files that are there', () => {
    const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
      services: Record<string, { volumes?: string[] }>;
    };
    const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.map((one) => one.split(':')[0] ?? ''),
    );
    const files = mounted.filter((one) => one.startsWith('./'));
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual([]);
  });

  it('gives its role the rights that setup gives', () => {
    const sql = read('examples/compose/30-role.sql');
    const rights = planHelperRights('walhook').filter((right) => !right.startsWith('grant usage'));
    expect(rights.length).toBeGreaterThan(1);
    for (const right of rights) expect(sql).toContain(right.replaceAll('"', ''));
  });

  it('has a valid configuration', async () => {
    await using folder = await configFolder(read('examples/compose/walhook.yaml'));
    const env = {
      DATABASE_URL: 'postgres://db/app',
      QUEUE_URL: 'redis://queue',
      ADMIN_TOKEN: 'walhook-on-my-machine',
    };
    const done = await inProcess(['validate', '-c', folder.file], { env });
    expect(done.code === 0 ? '' : `${done.stdout}${done.stderr}`).toBe('');
  });
});
