/** libpq's sslmode: https://www.postgresql.org/docs/current/libpq-ssl.html */
export const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type TlsMode = (typeof TLS_MODES)[number];
