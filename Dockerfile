# Built with its development dependencies, run without them.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run --silent build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /opt/corral
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY examples examples
COPY LICENSE README.md ./
COPY config/corral.yaml /etc/corral/corral.yaml
ENV CORRAL_CONFIG=/etc/corral/corral.yaml
EXPOSE 9180
# A number, so that an orchestrator can see that it is not root. Nothing is written: the root may be read-only.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CORRAL_HTTP_PORT || 9180}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node is process 1 and takes the signals itself.
ENTRYPOINT ["node", "/opt/corral/dist/main.js"]
CMD ["serve"]
