# Everything here works on a machine that has only Python 3.11+, pip and make.
.DEFAULT_GOAL := help
.PHONY: help run test load check chart-check format lock bench fuzz canary chaos rolling image pods sbom clean

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9
export PYTHONDONTWRITEBYTECODE =
# uv would trust only the certificates it carries; behind a proxy that inspects TLS the system knows the right ones.
export UV_SYSTEM_CERTS ?= 1

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# pip brings uv, uv brings the rest from the lock with its hashes checked; both stamps make a second call a no-op.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/run.stamp: requirements.lock pyproject.toml | $(BIN)/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-dev.lock
	@touch $@

run: .venv/run.stamp ## Talk to the bot in this terminal
	@$(BIN)/python -m bot chat

# Six processes also on two cores: many tests wait for a rate limit to pass.
test: .venv/dev.stamp ## Run the tests
	@$(BIN)/python -m pytest -n 6 --dist worksteal -q -m "not load"

load: .venv/dev.stamp ## Run under load, and replace processes, in small
	@$(BIN)/python -m pytest -n 4 --dist worksteal -q -m load

check: .venv/dev.stamp ## Lint, format, types, import rules, lock, chart
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	! [ -x $(BIN)/hadolint ] || $(BIN)/hadolint Dockerfile
	scripts/lock --check
	scripts/chart-check

chart-check: $(BIN)/uv ## Check the Helm chart alone
	scripts/chart-check

format: .venv/dev.stamp ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(BIN)/uv ## Renew the lock files from pyproject.toml
	scripts/lock

bench: .venv/dev.stamp ## Measure speed against a lean reference client
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.gateway
	$(BIN)/python -m tests.bench.scaling

# The suite tries 60 examples of each property, this a thousand: some 10 minutes on two cores.
fuzz: .venv/dev.stamp ## Look for examples that break what always holds
	$(BIN)/python -m pytest -n 6 --dist worksteal -q -m hypothesis --hypothesis-profile=thorough --timeout=900

canary: .venv/dev.stamp ## Look for texts and secrets in all log lines of the suite, at debug
	$(BIN)/python -m pytest -n 6 --dist worksteal -q --canary

chaos: .venv/dev.stamp ## Kill processes for a while and count what was lost
	$(BIN)/python -m tests.chaos

# A dozen runs of a minute or two: a round of upgrades is finished once it has begun, and Slack may wait for a minute.
rolling: .venv/dev.stamp ## Replace processes for a while and count what was lost
	$(BIN)/python -m tests.chaos.rolling
	$(BIN)/python -m tests.chaos.rolling --refuse
	$(BIN)/python -m tests.chaos.upgrade --seconds 20

image: ## Build the image on a base made here and run it, where buildah can be had
	scripts/image

pods: .venv/dev.stamp ## Run the chart's pods and compose.yaml as containers, where podman can be had
	scripts/pods

sbom: $(BIN)/uv ## List what the image holds, as CycloneDX, in dist/
	@mkdir -p dist
	$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.2.0 cyclonedx-py requirements requirements.lock --output-file dist/sbom.cdx.json

clean: ## Remove what the other targets made
	rm -rf .venv .tools .coverage* .hypothesis .pytest_cache .ruff_cache .import_linter_cache dist
