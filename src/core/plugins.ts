/** The output plugins of the server that walhook reads: `postgres.plugin`. */
export const PLUGINS = ['pgoutput', 'wal2json'] as const;
export type Plugin = (typeof PLUGINS)[number];
