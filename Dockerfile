# Builds the package, installs it without its development tools, and runs the main job as a user
# without rights. State and log live under /data: mount a volume there to keep them.
#
#   docker build -t millrace .
#   docker run --rm -v millrace-data:/data millrace

FROM docker.io/library/node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm pack --silent && mv millrace-*.tgz /millrace.tgz

# RocksDB is compiled here, against the image's own headers: its prebuilt binary does not run on Node 22.
FROM docker.io/library/node:22-bookworm-slim AS install
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++
WORKDIR /app
COPY --from=build /build/package.json /build/package-lock.json ./
RUN npm_config_build_from_source=true npm_config_nodedir="$(dirname "$(dirname "$(command -v node)")")" \
  npm ci --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/rocksdb/deps node_modules/rocksdb/prebuilds node_modules/rocksdb/build/Release/obj.target
COPY --from=build /millrace.tgz /tmp/millrace.tgz
RUN tar -xzf /tmp/millrace.tgz --strip-components=1

FROM docker.io/library/node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=install /app /app
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# SIGTERM drains and commits; a second one leaves at once and loses nothing.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/engine/cli/main.js"]
CMD ["start", "--data", "/data"]
