/** Every page. */
import type { FastifyInstance } from 'fastify';
import type { AdminHost } from '../host.ts';
import { Operations } from '../operations.ts';
import { addDeliveryPages } from './deliveries.ts';
import { addDeliveryPage } from './delivery.ts';
import { addEditor } from './editor.ts';
import { addFailures } from './failures.ts';
import { addGapPages } from './gaps.ts';
import { addOperationPage } from './operation.ts';
import { addOperationPages } from './operations.ts';
import { addOverview } from './overview.ts';
import { addSystem } from './system.ts';
import { addTester } from './tester.ts';
import { addWebhookPages } from './webhooks.ts';

export function addPageRoutes(server: FastifyInstance, host: AdminHost): void {
  addOverview(server, host);
  addWebhookPages(server, host);
  addEditor(server, host);
  addTester(server, host);
  const operations = new Operations(
    () => host.store.deliveries,
    () => host.clock.now(),
  );
  addDeliveryPages(server, host, operations);
  addOperationPage(server, host, operations);
  addDeliveryPage(server, host);
  addFailures(server, host);
  addOperationPages(server, host);
  addGapPages(server, host);
  addSystem(server, host);
}
