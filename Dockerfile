# An image that runs any topology module, and the main job without one. It runs as a user without rights, on
# a root that may be read-only; what is to be kept lies under /data: mount a volume there.
#
#   docker build -t millrace .
#   docker run --rm -v millrace-data:/data millrace
#   docker run --rm -v millrace-data:/data -v "$PWD/orders.ts:/jobs/orders.ts:ro" millrace run /jobs/orders.ts --brokers HOST:PORT

FROM docker.io/library/node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Nothing of this stage runs but compilers of TypeScript: nothing native is needed.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm pack --silent && mv millrace-*.tgz /millrace.tgz

# The Kafka client is compiled here, against the image's own headers: it has no prebuilt binary. The libraries give
# it TLS, zstd and OpenID Connect.
FROM docker.io/library/node:22-bookworm-slim AS install
RUN apt-get update && apt-get install -y --no-install-recommends \
  python3 make g++ libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev
WORKDIR /app
COPY --from=build /build/package.json /build/package-lock.json /build/install.mjs ./
COPY --from=build /build/engine/state/native ./engine/state/native
COPY --from=build /build/engine/log/kafka/native ./engine/log/kafka/native
RUN npm_config_nodedir="$(dirname "$(dirname "$(command -v node)")")" \
  npm ci --omit=dev --no-audit --no-fund
COPY --from=build /millrace.tgz /tmp/millrace.tgz
RUN tar -xzf /tmp/millrace.tgz --strip-components=1 \
  && node install.mjs && rm -rf node_modules/node-rdkafka/deps node_modules/node-rdkafka/build/deps/include

FROM docker.io/library/node:22-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libatomic1 libssl3 zlib1g libzstd1 libcurl4 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=install /app /app
# A module that is mounted anywhere finds the package by its name.
RUN mkdir /data /jobs /node_modules && chown node:node /data && ln -s /app /node_modules/millrace \
  && chmod +x dist/topologies/app/main.js && ln -s /app/dist/topologies/app/main.js /usr/local/bin/millrace
# Kafka's clients wait on libuv's threads, which the files of RocksDB need as well.
ENV NODE_ENV=production UV_THREADPOOL_SIZE=16 MILLRACE_DATA=/data MILLRACE_HTTP=9464
USER node
VOLUME /data
EXPOSE 9464
# Ready when it runs: not while it restores its state, nor when nothing answers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["node", "/app/dist/topologies/app/main.js", "health"]
# SIGTERM drains and commits; a second one leaves at once and loses nothing.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/topologies/app/main.js"]
CMD ["start"]
