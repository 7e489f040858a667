# What .ci/run does, one step at a time. Each target works on a machine that has only what it names.

.PHONY: help generate build fmt lint test race ci

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST)

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
