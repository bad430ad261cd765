# The image holds one static file, the certificates of the public authorities, and
# nothing else: no shell, no package manager. It runs as a user without rights, and
# its root file system may be read-only; only /data is written.
#
#   docker build -t hookferry .
#   docker run -p 8000:8000 -v hookferry:/data -e HOOKFERRY_API_KEY=… hookferry

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/hookferry ./cmd/hookferry \
 && mkdir -p /out/data /out/etc \
 && echo 'hookferry:x:65532:65532::/data:/nonexistent' > /out/etc/passwd

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/etc/passwd /etc/passwd
COPY --from=build /out/hookferry /hookferry
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
ENV HOOKFERRY_DATA=/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["/hookferry", "health"]
ENTRYPOINT ["/hookferry"]
CMD ["serve"]
