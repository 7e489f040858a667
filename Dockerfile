# The image holds a static binary, CA certificates, time zones and the configuration, nothing else. It runs with a
# read-only root file system. It writes only to /data, and only if journal.dir names it.
#
#   docker build --build-arg VERSION=1.2.3 --build-arg COMMIT=$(git rev-parse HEAD) -t mqtt-stomp-bridge .

ARG GO_IMAGE=golang:1.26

# The compiler runs on the build platform and cross-compiles for the target platform.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=
ARG COMMIT=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What the web pages take from npm's registry, without npm.
ARG npm_config_registry=
RUN go generate ./...
# timetzdata puts the time zones into the binary.
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -tags timetzdata -ldflags "-s -w -X main.version=${VERSION} -X main.revision=${COMMIT}" -o /out/mqtt-stomp-bridge ./plugin/sidecar \
    && mkdir -p /out/data /out/tmp

FROM scratch
ARG VERSION=
LABEL org.opencontainers.image.title="mqtt-stomp-bridge" \
      org.opencontainers.image.description="Maps MQTT events onto four STOMP-over-WebSocket queues, beside Mosquitto" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/mqtt-stomp-bridge /usr/local/bin/
COPY --from=build --chown=10001:10001 /out/data /data
COPY --from=build --chown=10001:10001 /out/tmp /tmp
COPY --chmod=0644 config.yaml /etc/mqtt-stomp-bridge/

# Not 1883, the user of the mosquitto image, so that neither can read the other's files.
USER 10001:10001
WORKDIR /etc/mqtt-stomp-bridge
VOLUME /data
# Set BRIDGE_BROKER_URL when you run it: the default, 127.0.0.1, is the container itself.
ENV BRIDGE_SERVER_LISTEN=0.0.0.0:8080 BRIDGE_JOURNAL_DIR=/data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=6s --start-period=15s --retries=2 CMD ["/usr/local/bin/mqtt-stomp-bridge", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/mqtt-stomp-bridge"]
CMD ["serve"]
