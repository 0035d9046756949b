# make demo      a whole partnership on this machine, told step by step
# make test      the tests (under five minutes on two cores)
# make check     format, lint, types, architecture, documents
# make docs      write what documents take from code
# make soak      the simulator for as long as SOAK_S says (seconds; 600)
# make bench     measured ratios
# make interop   others' programs over our files and nodes
# make interop-js  the same with OpenTDF's JavaScript SDK, from npm as it is configured
# make hsm       key access by a PKCS#11 token (Debian: softhsm2)
# make lock      write requirements/*.txt anew from pyproject.toml

UV ?= $(or $(shell command -v uv),.uv/bin/uv)
export UV_PYTHON_DOWNLOADS = never
SOAK_S ?= 600
CODE = bench relto tests

demo: .venv/ready
	.venv/bin/relto demo $(DEMO)

test: .venv/ready
	.venv/bin/pytest -q -n auto --dist loadgroup -m "not slow and not interop"

check: .venv/ready
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/ruff check $(CODE)
	.venv/bin/mypy
	.venv/bin/pytest -q tests/test_architecture.py tests/test_docs.py

docs: .venv/ready
	.venv/bin/python tests/write_docs.py

soak: .venv/ready
	RELTO_SOAK_S=$(SOAK_S) .venv/bin/pytest -q -s -m slow

bench: .venv-peers/ready
	.venv-peers/bin/python -m bench

interop: .venv-peers/ready
	.venv-peers/bin/pytest -q -m interop -ra

# Its own folder and no install scripts. Where npm does not have the SDK the tests are skipped, and say so.
interop-js: .venv-peers/ready
	@mkdir -p .js-peers
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix .js-peers @opentdf/sdk \
	  && npm ls --prefix .js-peers @opentdf/sdk \
	  || echo "NO JAVASCRIPT SDK: node or npm is not here, or npm has no @opentdf/sdk"
	@if [ -f .js-peers/package-lock.json ]; then sha256sum .js-peers/package-lock.json; fi
	RELTO_OPENTDF_JS=$${RELTO_OPENTDF_JS:-$(CURDIR)/.js-peers} .venv-peers/bin/pytest -q -m interop -ra tests/interop/test_interop_opentdf.py

hsm: .venv-peers/ready
	.venv-peers/bin/pytest -q -m hsm -ra

# Debian's python3 has no ensurepip, and its pip refuses to install system-wide
# (PEP 668). It will install into a directory, and uv makes the rest.
.venv/ready: pyproject.toml requirements/test.txt | $(UV)
	$(UV) venv --quiet --clear --python python3 .venv
	$(UV) pip sync --quiet --require-hashes --compile-bytecode requirements/test.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@.venv/bin/python -m compileall -q relto
	@touch $@

# The same, with the programs of others that ours are compared with.
.venv-peers/ready: pyproject.toml requirements/peers.txt | $(UV)
	$(UV) venv --quiet --clear --python python3 .venv-peers
	$(UV) pip sync --quiet --require-hashes --python .venv-peers/bin/python requirements/peers.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --python .venv-peers/bin/python --editable .
	@touch $@

.uv/bin/uv:
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --require-hashes --target .uv -r requirements/uv.txt

# The date keeps anything younger than seven days out; move it when you update.
LOCK = $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --universal --python-version 3.11 --exclude-newer 2026-11-17
lock: | $(UV)
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) --extra test --extra pdf pyproject.toml -o requirements/test.txt
	$(LOCK) --extra test --extra pdf --extra peers pyproject.toml -o requirements/peers.txt
	echo 'uv==0.13.9' | $(LOCK) - -o requirements/uv.txt

.PHONY: demo test check docs soak bench interop interop-js hsm lock
