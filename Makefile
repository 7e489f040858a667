# What .ci/run does, one step at a time. Each target works on a machine that has only what it names.

.PHONY: help generate build fmt lint test race ci release release-check publish

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST)

generate: ## what the web pages take from npm's registry (Go)
	go generate ./...

build: generate ## the binary, mqtt-stomp-bridge (Go)
	CGO_ENABLED=0 go build -trimpath -o mqtt-stomp-bridge ./plugin/sidecar

fmt: ## format the Go files (Go)
	gofmt -w $$(git ls-files '*.go')

lint: ## gofmt, go mod tidy, go vet, staticcheck (Go)
	.ci/lint

test: ## the tests; each names the program that it misses and skips itself (Go)
	go test ./...

race: ## the tests with the race detector (Go and a C compiler)
	go test -race ./...

ci: ## all that CI runs: installs what is missing with apt-get, skips nothing (Debian, root)
	.ci/run

# Go 1.26 builds this one; goreleaser 2.18 needs Go 1.27.
GORELEASER = go run github.com/goreleaser/goreleaser/v2@v2.17.0

release: ## into dist: programs, packages, checksums, SBOMs and the image of VERSION (Linux, Go, git; buildah and root for the image)
	@test -n "$(VERSION)" || { echo "which version? make release VERSION=1.0.0"; exit 2; }
	VERSION=$(VERSION) $(GORELEASER) release --snapshot --clean
	plugin/packaging/image $(VERSION) $$(git log -1 --format='%H %cI')
	cd dist && sha256sum mqtt-stomp-bridge_$(VERSION)_image.tar >>checksums.txt

release-check: ## a whole release of the last commit, twice, and whether both are the same bytes (as release; half an hour)
	GOBIN=$$(go env GOCACHE)/mqtt-stomp-bridge-goreleaser-2.17.0 go install $(lastword $(GORELEASER))
	BRIDGE_TEST_GORELEASER=$$(go env GOCACHE)/mqtt-stomp-bridge-goreleaser-2.17.0/goreleaser BRIDGE_TEST_REQUIRE=1 BRIDGE_TEST_WHOLE_RELEASE=1 \
		go test ./plugin/packaging -run "TestReproducible|TestImage" -v -timeout 2h

publish: ## the release of the tag at HEAD: a draft at the host of origin, whose token is in the environment, and IMAGE (as release; skopeo)
	@test -n "$(IMAGE)" || { echo "where to? make publish IMAGE=registry.example.org/team/mqtt-stomp-bridge"; exit 2; }
	set -e; tag=$$(git describe --tags --exact-match); version=$${tag#v}; notes=$$(mktemp); \
	awk -v heading="## $$version" 'index($$0, "## ") == 1 { on = index($$0, heading) == 1; next } on' CHANGELOG.md >$$notes; \
	test -s $$notes || { echo "CHANGELOG.md says nothing of $$version"; exit 1; }; \
	$(GORELEASER) release --clean --release-notes $$notes; rm $$notes; \
	plugin/packaging/image $$version $$(git log -1 --format='%H %cI'); \
	skopeo copy --all oci-archive:dist/mqtt-stomp-bridge_$${version}_image.tar docker://$(IMAGE):$$version
