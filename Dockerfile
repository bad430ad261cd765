# The image contains one static binary and the certificates of public authorities, but no
# shell and no package manager. It runs as a user without privileges. Its root file system
# may be read-only, because it writes only to /data, which must be a volume.
#
#   docker build --build-arg COMMIT=$(git rev-parse HEAD) -t hookferry .
#   docker run -p 8000:8000 -v hookferry:/data -e HOOKFERRY_API_KEY=… hookferry

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG COMMIT
RUN CGO_ENABLED=0 go build -trimpath -o /out/hookferry \
      -ldflags="-s -w -X github.com/hookferry/hookferry/internal/cli.builtFrom=$COMMIT" ./cmd/hookferry \
 && mkdir -p /out/data /out/etc \
 && echo 'hookferry:x:65532:65532::/data:/nonexistent' > /out/etc/passwd

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/etc/passwd /etc/passwd
COPY --from=build /out/hookferry /hookferry
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
# SQLite writes temporary files for large sorts, and the image has no /tmp.
ENV HOOKFERRY_DATA=/data TMPDIR=/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["/hookferry", "health"]
ENTRYPOINT ["/hookferry"]
CMD ["serve"]
ARG COMMIT
LABEL org.opencontainers.image.title=Hookferry \
      org.opencontainers.image.description="Webhook delivery service" \
      org.opencontainers.image.source=https://github.com/hookferry/hookferry \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=0.2.0-dev \
      org.opencontainers.image.revision=$COMMIT
