/** The schemas that walhook makes in databases, which are never watched. */
import { queueSchema } from '../queue/postgres/schema.ts';

/** @param queuePrefix `queue.prefix` */
export function ownSchemas(queuePrefix: string): string[] {
  return ['walhook', queueSchema(queuePrefix)];
}
