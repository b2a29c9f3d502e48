# edge: `make` shows what there is. Everything runs in .venv, which is made when it is missing.
PYTHON ?= python3
BIN := .venv/bin
SYSTEM_PACKAGES := mosquitto mosquitto-clients systemd redis-server openssl faketime chromium postgresql \
	prometheus libaravis-0.8-0 python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
# For the slow tests alone: they install edge on a fresh Debian.
SLOW_PACKAGES := debootstrap systemd-container

# From npm, for the tests alone: they run the example flow, and check documents by the schemas of those who define them.
NODE_PACKAGES := node-red@4.1.15 @asyncapi/specs@6.11.1 sparkplug-payload@1.0.3

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow chaos check format bench package promises docs clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: .venv/demo ## a simulated line on all five processes: every scene once, live, with a report
	$(BIN)/edge demo $(ARGS)

test: ready ## format, lint, types, imports, then every test that is not slow
	@$(MAKE) --no-print-directory check
	@# Sockets lie in the tests' folders, and their paths have 107 characters at most.
	folder=$$(mktemp -d /tmp/et.XXX) && $(BIN)/python -m pytest -n 2 --dist loadfile --basetemp $$folder/t $(ARGS); \
		code=$$?; rm -rf $$folder; exit $$code

test-slow: .venv/test system-packages slow-packages ## the long tests: kill -9 rounds, long runs, installing on a fresh Debian (as root)
	$(BIN)/python -m pytest -m slow $(ARGS)

chaos: .venv/test system-packages ## a line while everything goes wrong: MINUTES=30 SEED=1, or TRIGGERS=10000 STORM=100
	$(BIN)/python -m simulator chaos --minutes $(or $(MINUTES),5) --seed $(or $(SEED),1) $(if $(TRIGGERS),--triggers $(TRIGGERS)) $(if $(STORM),--storm $(STORM))

check: .venv/test ## what needs no running: format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/test ## put the code into its one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/bench ## speed and accuracy of the ocr reader, against its peers in the same run; the README names the other commands
	$(BIN)/python bench/inspection.py
	$(BIN)/python bench/accuracy.py

package: .venv/demo ## dist/: a folder that installs edge on a line PC with no network; PACKAGE="--wheels DIR" for more
	$(BIN)/python install/make_package.py $(PACKAGE)

promises: .venv/test ## write docs/promises.md from the tests
	$(BIN)/python -m tests.promises.ledger

docs: promises ## write what is generated: docs/promises.md, config/asyncapi.yaml, config/openapi.yaml, config/edge.toml
	$(BIN)/python -m edge.services.asyncapi
	$(BIN)/python -m edge.services.openapi
	$(BIN)/python -m edge.settings_text

clean: ## remove .venv and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "edge needs Python 3.11 or later, $(PYTHON) is older: set PYTHON=python3.11 or later"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no venv module: apt-get install python3-venv"; exit 1; }

.venv/demo: pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

.venv/test: pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch .venv/demo $@

.venv/bench: pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --editable '.[bench]'
	@touch .venv/demo .venv/test $@

# Python's packages, Debian's and npm's come beside each other: most of it is waiting.
.PHONY: ready
ready:
	@$(MAKE) --no-print-directory -j3 .venv/test system-packages node

# Where npm is missing or gives nothing, the tests that need these are skipped, and say so.
.PHONY: node
node: | .venv/bin/pip
	@test -e .venv/node/node_modules/.package-lock.json || ! command -v npm >/dev/null || \
		npm install --silent --no-audit --no-fund --fetch-retries 1 --prefix .venv/node $(NODE_PACKAGES) || \
		echo "npm gave no packages: the tests that need Node.js are skipped"

# Install packages as root on Debian or Ubuntu; elsewhere, say which are needed.
define install-packages
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) >/dev/null; \
	else echo "the tests need these packages: sudo apt-get install $(1)"; exit 1; fi
endef

# The tests talk to a real mosquitto, redis, PostgreSQL and systemd-analyze, and openssl makes their certificates; to GStreamer's
# RTSP server and Aravis' fake GigE camera; promtool checks metrics and alert rules.
.PHONY: system-packages
system-packages:
	@PATH="$$PATH:/usr/sbin"; \
	for one in mosquitto mosquitto_pub systemd-analyze redis-server openssl chromium promtool; do command -v $$one >/dev/null || missing=1; done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing=1; \
	ls /usr/lib/*/libaravis-0.8.so.0 /usr/lib/*/gstreamer-1.0/libgstx264.so /usr/lib/*/gstreamer-1.0/libgstrtp.so >/dev/null 2>&1 || missing=1; \
	/usr/bin/python3 -c "import gi; gi.require_version('GstRtspServer', '1.0')" 2>/dev/null || missing=1; \
	[ -z "$$missing" ] && exit 0; \
	$(call install-packages,$(SYSTEM_PACKAGES))

.PHONY: slow-packages
slow-packages:
	@PATH="$$PATH:/usr/sbin"; \
	command -v debootstrap >/dev/null && command -v systemd-nspawn >/dev/null && exit 0; \
	$(call install-packages,$(SLOW_PACKAGES))
