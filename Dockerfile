# Builds with the classic builder and with BuildKit. The stages: compile, dependencies of production, image.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The embedded PostgreSQL of `walhook demo` is optional and stays out.
RUN npm ci --ignore-scripts --omit=dev --omit=optional

FROM node:24-bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="walhook" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim" \
      org.opencontainers.image.description="Watches a PostgreSQL database through logical replication and fires webhooks when rows change" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json CHANGELOG.md LICENSE ./
COPY sql sql
COPY assets assets
COPY --from=build /src/dist dist
RUN ln -s /app/dist/main.js /usr/local/bin/walhook && chmod 755 /app/dist/main.js
# The `node` user of the base image, by number: Kubernetes can tell that it is not root.
USER 1000:1000
WORKDIR /etc/walhook
EXPOSE 8080
STOPSIGNAL SIGTERM
# Where admin.listen is another port: -e WALHOOK_HEALTH_URL=http://127.0.0.1:9464/livez
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.WALHOOK_HEALTH_URL || 'http://127.0.0.1:8080/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# A small young generation: 20 MiB less memory for a few percent more work of the collector.
ENTRYPOINT ["node", "--max-semi-space-size=4", "/app/dist/main.js"]
CMD ["run"]
